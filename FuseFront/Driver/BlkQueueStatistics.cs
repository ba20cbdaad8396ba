namespace FuseFront.Driver;

/// <summary>What one queue of the driver has done. Written by the queue's thread; other threads see slightly old values.</summary>
public sealed class BlkQueueStatistics
{
    /// <summary>Doorbells rung, and those that the device did not want.</summary>
    public long KicksSent;
    public long KicksSuppressed;

    /// <summary>Interrupts received.</summary>
    public long Irqs;

    public long Completions;

    /// <summary>Batches shown to the device, in one ring each, the sum of their requests, and the largest.</summary>
    public long Batches;
    public long BatchedRequests;
    public long MaxBatch;

    /// <summary>Completions that no interrupt announced: found in the ring by the request timeout's look at it.</summary>
    public long LostIrqs;

    /// <summary>Doorbells rung once more for requests that were late, in the hope that the first ring was lost.</summary>
    public long RepeatedKicks;

    /// <summary>Requests handed to the device again after a reset.</summary>
    public long Resubmitted;

    public void CountBatch(int requests)
    {
        Batches++;
        BatchedRequests += requests;
        MaxBatch = Math.Max(MaxBatch, requests);
    }
}
