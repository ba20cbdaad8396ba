namespace RingCore.Hosting;

/// <summary>What FuseFront answers to <c>{"op":"stats"}</c>.</summary>
public sealed record FrontStats
{
    public string Process { get; init; } = "fusefront";

    /// <summary>The mount point.</summary>
    public required string Directory { get; init; }

    /// <summary>How FUSE requests arrive: <c>uring</c> or <c>dev</c>.</summary>
    public required string FuseTransport { get; init; }

    /// <summary>The disk's size in bytes.</summary>
    public long Capacity { get; init; }

    /// <summary>Negotiated virtio feature bits.</summary>
    public ulong Features { get; init; }

    /// <summary>Their names, such as <c>EVENT_IDX</c>.</summary>
    public required IReadOnlyList<string> FeatureNames { get; init; }

    /// <summary>Whether the backend is there; after it is lost every request ends with EIO.</summary>
    public bool BackendConnected { get; init; }

    /// <summary>Resets of the device that were survived: it had lost a request, or broken a rule.</summary>
    public int DeviceResets { get; init; }

    public required IReadOnlyList<FrontQueueStats> Queues { get; init; }

    public RuntimeStats? Runtime { get; init; }
}

/// <summary>One queue of the guest driver. Everything counts from the start of the process.</summary>
public sealed record FrontQueueStats
{
    public int Index { get; init; }

    public required OperationStats Operations { get; init; }

    /// <summary>Requests that ended with an error status.</summary>
    public long Errors { get; init; }

    /// <summary>Requests in flight now.</summary>
    public int InFlight { get; init; }

    /// <summary>Doorbells rung.</summary>
    public long KicksSent { get; init; }

    /// <summary>Batches published without ringing, because the device did not want to be woken.</summary>
    public long KicksSuppressed { get; init; }

    public long IrqsReceived { get; init; }

    /// <summary>Interrupts that never came: completions were found in the ring by the request timeout.</summary>
    public long IrqsLost { get; init; }

    /// <summary>Doorbells rung once more for requests that were late.</summary>
    public long KicksRepeated { get; init; }

    /// <summary>Requests that the device was given again after a reset.</summary>
    public long RequestsResubmitted { get; init; }

    /// <summary>Times that chains were published: one update of avail.idx each.</summary>
    public long Batches { get; init; }

    /// <summary>Chains to a batch.</summary>
    public double MeanBatch { get; init; }

    public int MaxBatch { get; init; }

    /// <summary>Times that spinning on the used ring found something.</summary>
    public long PollHits { get; init; }

    /// <summary>Times that it did not, and the thread went to sleep.</summary>
    public long PollMisses { get; init; }

    /// <summary>
    /// Where the queue's threads were placed by load: <c>together</c>, <c>turns</c> (together, and in turns with the other queues),
    /// <c>beside</c>, <c>apart</c>, <c>spread</c> or <c>anywhere</c>.
    /// </summary>
    public string Placement { get; init; } = "anywhere";

    /// <summary>How often they were moved.</summary>
    public long PlacementMoves { get; init; }

    public required LatencyStats Latency { get; init; }
}
