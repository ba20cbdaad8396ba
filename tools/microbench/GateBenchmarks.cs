using BenchmarkDotNet.Attributes;
using FuseFront.Disk;

namespace Microbench;

/// <summary>The gate that every write passes: aligned ones without a lock, unaligned ones with.</summary>
public class GateBenchmarks
{
    private readonly RangeGate _gate = new(queues: 2, slots: 64);

    [Benchmark(Description = "aligned write, in and out")]
    public bool Shared()
    {
        bool entered = _gate.TryEnterShared(0, 5, 4096, 8192);
        _gate.LeaveShared(0, 5);
        return entered;
    }

    [Benchmark(Description = "unaligned write, in and out")]
    public bool Exclusive()
    {
        bool entered = _gate.TryEnterExclusive(1, 6, 4096, 8192);
        _gate.LeaveExclusive(1, 6);
        return entered;
    }
}
