using System.Diagnostics;

namespace RingCore.Aio;

/// <summary>CLOCK_MONOTONIC in nanoseconds.</summary>
internal static class MonotonicClock
{
    private const long NsPerSecond = 1_000_000_000;
    private static readonly long NsPerTick = NsPerSecond / Stopwatch.Frequency; // 1 on Linux, where a tick is a nanosecond

    internal static long Nanoseconds => Stopwatch.GetTimestamp() * NsPerTick;
}
