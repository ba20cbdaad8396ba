namespace RingCore.Hosting;

/// <summary>What Backend answers to <c>{"op":"stats"}</c>.</summary>
public sealed record BackendStats
{
    public string Process { get; init; } = "backend";

    /// <summary>Full path of the image.</summary>
    public required string Image { get; init; }

    /// <summary>The disk's size in bytes.</summary>
    public long Capacity { get; init; }

    public bool ReadOnly { get; init; }

    /// <summary>
    /// The engine in use: <c>io_uring</c> or <c>threads</c>. A queue for which no further ring could be had uses threads all the
    /// same; the log says so.
    /// </summary>
    public required string Aio { get; init; }

    /// <summary>The cache mode in use: <c>none</c>, <c>writeback</c> or <c>writethrough</c>.</summary>
    public required string Cache { get; init; }

    /// <summary>Whether a client is connected, of vfio-user or vhost-user.</summary>
    public bool ClientConnected { get; init; }

    /// <summary>The virtio device status byte (virtio 1.3 §2.1).</summary>
    public int DeviceStatus { get; init; }

    /// <summary>Its bits by name, such as <c>DRIVER_OK</c>.</summary>
    public required IReadOnlyList<string> DeviceStatusNames { get; init; }

    /// <summary>Negotiated virtio feature bits.</summary>
    public ulong Features { get; init; }

    /// <summary>Their names, such as <c>EVENT_IDX</c>.</summary>
    public required IReadOnlyList<string> FeatureNames { get; init; }

    /// <summary>The data plane: <c>stopped</c>, <c>started</c> or <c>disabled</c> (served by the main loop).</summary>
    public required string DataPlane { get; init; }

    public required IReadOnlyList<BackendQueueStats> Queues { get; init; }

    /// <summary>The log of <c>--record</c>; null when the disk is not recorded.</summary>
    public RecordingStats? Recording { get; init; }

    public RuntimeStats? Runtime { get; init; }
}

/// <summary>How recording the disk goes.</summary>
public sealed record RecordingStats
{
    /// <summary>Full path of the log.</summary>
    public required string File { get; init; }

    public long Records { get; init; }

    /// <summary>Size of the log.</summary>
    public long Bytes { get; init; }

    /// <summary>Why recording has ended while the disk goes on; null when all is well.</summary>
    public string? Failure { get; init; }
}

/// <summary>One virtqueue of the device. Everything counts from the start of the process.</summary>
public sealed record BackendQueueStats
{
    public int Index { get; init; }

    /// <summary>The queue of which this one is the twin; null when it is none.</summary>
    public int? TwinOf { get; init; }

    public required OperationStats Operations { get; init; }

    /// <summary>Requests that ended with IOERR or UNSUPP.</summary>
    public long Errors { get; init; }

    /// <summary>Requests in flight now.</summary>
    public int InFlight { get; init; }

    /// <summary>Times that the avail ring was drained and something was there.</summary>
    public long Batches { get; init; }

    /// <summary>Chains to a batch.</summary>
    public double MeanBatch { get; init; }

    public int MaxBatch { get; init; }

    /// <summary>Requests that travelled to the image in another request's operation.</summary>
    public long MergedRequests { get; init; }

    /// <summary>The driver's kicks that arrived at the queue's doorbell.</summary>
    public long KicksReceived { get; init; }

    public long IrqsRaised { get; init; }

    /// <summary>Completions that raised no irq, because the driver did not want one or a batch raised it for them.</summary>
    public long IrqsSuppressed { get; init; }

    /// <summary>Times that busy-polling found work in the loop that serves this queue, and others perhaps.</summary>
    public long PollHits { get; init; }

    /// <summary>Times that polling ended and that loop went to sleep.</summary>
    public long PollMisses { get; init; }

    public required LatencyStats Latency { get; init; }
}
