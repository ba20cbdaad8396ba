using System.Diagnostics;
using RingCore.Statistics;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>What one queue has done. Written by its context's thread only; readers on other threads see slightly old values.</summary>
internal sealed class BlkQueueCounters
{
    private const int Kinds = 6;
    private readonly long[] _requests = new long[Kinds];
    private readonly long[] _bytes = new long[Kinds];

    /// <summary>Interrupts raised, and those that the driver did not want.</summary>
    public long IrqsRaised;
    public long IrqsSuppressed;

    /// <summary>Batches that took at least one request, their sum and the largest.</summary>
    public long Batches;
    public long BatchedRequests;
    public long MaxBatch;

    /// <summary>Requests that joined another one's I/O.</summary>
    public long Merged;

    /// <summary>Requests that ended with another status than OK.</summary>
    public long Errors;

    /// <summary>From taking a request to returning it, in nanoseconds.</summary>
    public LatencyHistogram Latency { get; } = new();

    public void Count(BlkRequestType type, long bytes, long ticks, BlkStatus status)
    {
        int kind = Kind(type);
        _requests[kind]++;
        _bytes[kind] += bytes;
        Latency.Record(ticks * (1_000_000_000 / Stopwatch.Frequency));
        if (status != BlkStatus.Ok)
        {
            Errors++;
        }
    }

    public void CountBatch(int requests)
    {
        Batches++;
        BatchedRequests += requests;
        MaxBatch = Math.Max(MaxBatch, requests);
    }

    /// <summary>Requests and bytes of one type; every unknown type counts with GET_ID as other.</summary>
    public (long Requests, long Bytes) Of(BlkRequestType type) => (_requests[Kind(type)], _bytes[Kind(type)]);

    private static int Kind(BlkRequestType type) => type switch
    {
        BlkRequestType.In => 0,
        BlkRequestType.Out => 1,
        BlkRequestType.Flush => 2,
        BlkRequestType.Discard => 3,
        BlkRequestType.WriteZeroes => 4,
        _ => 5,
    };
}
