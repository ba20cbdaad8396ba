using BenchmarkDotNet.Attributes;
using RingCore.Aio;

namespace Microbench;

/// <summary>The event loop's own cost: an empty round, a bottom half, a ready descriptor, waking it from another thread.</summary>
[MemoryDiagnoser]
public class LoopBenchmarks
{
    private readonly EventNotifier _ready = new();
    private AioContext _context = null!;
    private BottomHalf _bottomHalf = null!;
    private IoThread _thread = null!;
    private readonly ManualResetEventSlim _done = new();
    private BottomHalf _remote = null!;

    [Params(FdMonitorKind.Epoll, FdMonitorKind.IoUring)]
    public FdMonitorKind Monitor { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _context = new AioContext(new AioContextOptions { Name = "microbench", Monitor = Monitor });
        _context.SetEventNotifier(_ready, new AioHandler { Read = () => _ready.TestAndClear() });
        _bottomHalf = _context.CreateBottomHalf(() => { }, "local");
        _thread = new IoThread(new AioContextOptions { Name = "microbench-io", Monitor = Monitor });
        _remote = _thread.Context.CreateBottomHalf(_done.Set, "remote");
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _thread.Context.Invoke(_remote.Dispose);
        _thread.Dispose();
        _bottomHalf.Dispose();
        _context.SetEventNotifier(_ready, null);
        _context.Dispose();
        _ready.Dispose();
    }

    [Benchmark(Description = "round with nothing to do")]
    public bool Empty() => _context.Poll(blocking: false);

    [Benchmark(Description = "notify while nobody sleeps")]
    public void Notify() => _context.Notify();

    [Benchmark(Description = "bottom half, scheduled and run")]
    public bool BottomHalfRound()
    {
        _bottomHalf.Schedule();
        return _context.Poll(blocking: false);
    }

    [Benchmark(Description = "eventfd, signalled and served")]
    public bool Descriptor()
    {
        _ready.Signal();
        return _context.Poll(blocking: true);
    }

    [Benchmark(Description = "bottom half on another thread, there and back")]
    public void Remote()
    {
        _done.Reset();
        _remote.Schedule();
        _done.Wait();
    }
}
