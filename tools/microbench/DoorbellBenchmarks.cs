using BenchmarkDotNet.Attributes;
using RingCore.Aio;
using RingCore.Memory;

namespace Microbench;

/// <summary>What a doorbell write costs: finding its eventfd among those of all queues, and signalling it.</summary>
public class DoorbellBenchmarks
{
    private readonly EventNotifier _notifier = new();
    private IoEventFdTable<EventNotifier> _table = IoEventFdTable<EventNotifier>.Empty;
    private ulong _last;

    [Params(1, 2, 8, 64)]
    public int Queues { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        IoEventFd<EventNotifier>[] entries = new IoEventFd<EventNotifier>[Queues];
        for (int i = 0; i < Queues; i++)
        {
            _last = 0x3000 + (4 * (ulong)i);
            entries[i] = new IoEventFd<EventNotifier>(_last, 0, false, 0, _notifier, _notifier.WriteDescriptor);
        }

        _table = new IoEventFdTable<EventNotifier>(entries);
    }

    [GlobalCleanup]
    public void Cleanup() => _notifier.Dispose();

    [Benchmark(Description = "match")]
    public EventNotifier? Match() => _table.Match(_last, 2, (ulong)(Queues - 1));

    [Benchmark(Description = "match and signal")]
    public bool Ring() => _table.Match(_last, 2, (ulong)(Queues - 1))!.Signal();
}
