using System.Runtime.InteropServices;
using Backend.Block;
using Backend.Faults;
using Backend.Tests.Block;
using RingCore.Aio;
using RingCore.Faults;
using RingCore.Posix;

namespace Backend.Tests.Faults;

/// <summary>
/// A raw image with the filters over it and one queue, all on the test's thread (the volatile cache has a thread of its own).
/// The image begins with every byte saying where it is.
/// </summary>
internal sealed unsafe class FaultRig : IDisposable, IFaultHost
{
    internal const int Length = 1 << 20;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private readonly ScratchDirectory _scratch = new();
    private readonly List<nint> _memory = [];
    private readonly AioTimer _watchdog;
    private readonly VolatileCacheFilter? _cache;
    private bool _late;

    internal FaultRig(ulong seed = 1, long cache = 0, int queues = 1)
    {
        Path = _scratch.File("disk.img", Length);
        File.WriteAllBytes(Path, Pattern());
        IBlockDriver image = RawImage.Open(new RawImageOptions { Path = Path });
        _cache = cache > 0 ? new VolatileCacheFilter(image, cache) : null;
        Power = new PowerControl(_cache);
        Engine = new FaultEngine(seed, image.Limits, queues, this);
        Filter = new FaultFilter(_cache ?? image, Engine, Power.Switch);
        Context = new AioContext(new AioContextOptions { Name = "test", Monitor = FdMonitorKind.Epoll });
        Queues = [.. Enumerable.Range(0, queues).Select(i => Filter.OpenQueue(Context, i))];
        _watchdog = Context.CreateTimer(() => _late = true);
    }

    internal string Path { get; }

    internal PowerControl Power { get; }

    internal FaultEngine Engine { get; }

    internal FaultFilter Filter { get; }

    internal AioContext Context { get; }

    internal IBlockQueue[] Queues { get; }

    internal List<string> Killed { get; } = [];

    internal static byte[] Pattern()
    {
        byte[] bytes = new byte[Length];
        for (int i = 0; i < Length; i++)
        {
            bytes[i] = (byte)((i * 7) + (i >> 9));
        }

        return bytes;
    }

    internal ArmedRule Add(string rule) => Engine.Add(RuleParser.Parse(rule));

    /// <summary>The image as another process sees it.</summary>
    internal byte[] Image() => File.ReadAllBytes(Path);

    internal BlockRequest Request(BlockOperation operation, long offset = 0, long length = 0, byte[]? data = null, BlockRequestFlags flags = 0)
    {
        bool hasData = operation is BlockOperation.Read or BlockOperation.Write or BlockOperation.GetId;
        byte* buffer = hasData ? Allocate((int)length) : null;
        data?.CopyTo(new Span<byte>(buffer, (int)length));

        // Two vectors, so that every cut through them is tried.
        IoVector* vectors = (IoVector*)Allocate(2 * sizeof(IoVector));
        nuint half = (nuint)(length / 2);
        vectors[0] = new IoVector(buffer, half);
        vectors[1] = new IoVector(buffer + half, (nuint)length - half);
        return new BlockRequest(static r => r.Owner = r)
        {
            Operation = operation,
            Flags = flags,
            Offset = offset,
            Length = length,
            Vectors = vectors,
            VectorCount = hasData ? 2 : 0,
        };
    }

    internal static Span<byte> DataOf(BlockRequest request) => new(request.Vectors[0].Base, (int)request.Length);

    internal static bool IsDone(BlockRequest request) => ReferenceEquals(request.Owner, request);

    internal void Submit(BlockRequest request, int queue = 0)
    {
        Queues[queue].Submit(request);
        Queues[queue].Commit();
    }

    /// <summary>Runs one request to its end and returns its errno.</summary>
    internal int Run(BlockRequest request, int queue = 0)
    {
        Submit(request, queue);
        Until(() => IsDone(request));
        return request.Error;
    }

    internal int Run(BlockOperation operation, long offset = 0, long length = 0, BlockRequestFlags flags = 0) =>
        Run(Request(operation, offset, length, null, flags));

    internal int Write(long offset, byte[] data, int queue = 0, BlockRequestFlags flags = 0) =>
        Run(Request(BlockOperation.Write, offset, data.Length, data, flags), queue);

    internal int Read(long offset, int length, out byte[] data)
    {
        BlockRequest request = Request(BlockOperation.Read, offset, length);
        int error = Run(request);
        data = DataOf(request).ToArray();
        return error;
    }

    /// <summary>Serves the context until the condition holds.</summary>
    internal void Until(Func<bool> condition)
    {
        _late = false;
        _watchdog.Arm(Bound);
        while (!condition())
        {
            Context.Poll(blocking: true);
            Assert.That(_late, Is.False, "it did not happen in a minute");
        }

        _watchdog.Cancel();
    }

    public void Kill(string why) => Killed.Add(why);

    public void CutPower(PowerCutKeep keep, ulong seed) => Power.Cut(keep, (uint)seed);

    public void Dispose()
    {
        foreach (IBlockQueue queue in Queues)
        {
            queue.LetGo();
            Until(() => queue.InFlight == 0);
            queue.Dispose();
        }

        _watchdog.Dispose();
        Filter.Dispose();
        Context.Dispose();
        _memory.ForEach(p => NativeMemory.AlignedFree((void*)p));
        _scratch.Dispose();
    }

    private byte* Allocate(int length)
    {
        byte* p = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(length, 1), 4096);
        _memory.Add((nint)p);
        return p;
    }
}
