using System.Diagnostics;
using RingCore.Statistics;

namespace FuseFront.Disk;

/// <summary>What one queue's applications asked for. Written by the queue's thread; other threads see slightly old values.</summary>
internal sealed class DiskStatistics
{
    private static readonly int Kinds = Enum.GetValues<SlotKind>().Length;
    private readonly long[] _operations = new long[Kinds];
    private readonly long[] _bytes = new long[Kinds];

    /// <summary>Operations of all kinds, and their bytes.</summary>
    public long TotalOperations;
    public long TotalBytes;

    /// <summary>Operations that were answered with an error.</summary>
    public long Errors;

    /// <summary>From arrival to answer, in nanoseconds.</summary>
    public LatencyHistogram Latency { get; } = new();

    /// <summary>The longest time from arrival to answer since this was last set to 0, in ticks of Stopwatch.</summary>
    public long LongestTicks;

    public void Count(SlotKind kind, long bytes, long ticks)
    {
        LongestTicks = Math.Max(LongestTicks, ticks);
        _operations[(int)kind]++;
        _bytes[(int)kind] += bytes;
        TotalOperations++;
        TotalBytes += bytes;
        Latency.Record(ticks * (1_000_000_000 / Stopwatch.Frequency));
    }

    /// <summary>The application has changed something, or tried to.</summary>
    public bool HasChanges =>
        Of(SlotKind.Write).Operations + Of(SlotKind.PunchHole).Operations + Of(SlotKind.ZeroRange).Operations > 0;

    public (long Operations, long Bytes) Of(SlotKind kind) => (_operations[(int)kind], _bytes[(int)kind]);
}
