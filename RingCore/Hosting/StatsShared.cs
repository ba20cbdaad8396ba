using System.Text.Json.Serialization;
using RingCore.Statistics;

namespace RingCore.Hosting;

/// <summary>How many requests of one type have completed, and the payload bytes that they moved, discarded or zeroed.</summary>
public readonly record struct OperationCount(long Requests, long Bytes)
{
    public static OperationCount operator +(OperationCount a, OperationCount b) => new(a.Requests + b.Requests, a.Bytes + b.Bytes);
}

/// <summary>Completed requests by type (virtio 1.3 §5.2.6). <see cref="Other"/> holds GET_ID and unsupported ones.</summary>
public sealed record OperationStats
{
    public OperationCount Read { get; init; }

    public OperationCount Write { get; init; }

    public OperationCount Flush { get; init; }

    public OperationCount Discard { get; init; }

    public OperationCount WriteZeroes { get; init; }

    public OperationCount Other { get; init; }

    /// <summary>All types together.</summary>
    [JsonIgnore]
    public OperationCount Total => Read + Write + Flush + Discard + WriteZeroes + Other;
}

/// <summary>Latencies in microseconds, from the moment a queue takes a request up to its completion.</summary>
public sealed record LatencyStats(long Count, double P50Us, double P99Us, double MaxUs)
{
    /// <summary>What a histogram holds now.</summary>
    public static LatencyStats Of(LatencyHistogram histogram) => new(
        histogram.Count,
        histogram.PercentileNs(50) / 1000.0,
        histogram.PercentileNs(99) / 1000.0,
        histogram.MaxNs / 1000.0);
}

/// <summary>What the runtime says about its process: the zero-allocation rule and leaks are checked by these.</summary>
public sealed record RuntimeStats
{
    public int Pid { get; init; }

    /// <summary>Since the process started, in milliseconds.</summary>
    public long UptimeMs { get; init; }

    public int Gen0Collections { get; init; }

    public int Gen1Collections { get; init; }

    public int Gen2Collections { get; init; }

    /// <summary>Managed bytes allocated since the start, dead ones included.</summary>
    public long AllocatedBytes { get; init; }

    /// <summary>Managed heap in use now.</summary>
    public long HeapBytes { get; init; }

    /// <summary>Resident memory, shared guest memory included.</summary>
    public long ResidentBytes { get; init; }

    /// <summary>Reads this process's own.</summary>
    public static RuntimeStats Current() => new()
    {
        Pid = Environment.ProcessId,
        UptimeMs = (long)(DateTime.Now - System.Diagnostics.Process.GetCurrentProcess().StartTime).TotalMilliseconds,
        Gen0Collections = GC.CollectionCount(0),
        Gen1Collections = GC.CollectionCount(1),
        Gen2Collections = GC.CollectionCount(2),
        AllocatedBytes = GC.GetTotalAllocatedBytes(),
        HeapBytes = GC.GetTotalMemory(forceFullCollection: false),
        ResidentBytes = Environment.WorkingSet,
    };
}
