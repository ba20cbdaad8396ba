using RingCore.Virtio;

namespace Backend.Device;

/// <summary>How a virtio-blk device is to look and work. Immutable.</summary>
public sealed record VirtioBlkConfig
{
    /// <summary>Most queues that a device offers here.</summary>
    public const int MaxQueues = 64;

    /// <summary>The same with their twins.</summary>
    public const int MaxVirtqueues = 2 * MaxQueues;

    /// <summary>What GET_ID returns: up to <see cref="BlkConfig.IdLength"/> bytes of ASCII.</summary>
    public string Serial { get; init; } = "vdisk";

    /// <summary>Neighbouring reads or writes of one batch become one I/O.</summary>
    public bool RequestMerging { get; init; } = true;

    /// <summary>1 to <see cref="MaxQueues"/>, twins not counted.</summary>
    public int QueueCount { get; init; } = 1;

    /// <summary>
    /// Each queue has a twin: one more virtqueue, behind all the queues, with an IOThread of its own. A driver that knows it can have
    /// one stream of requests served by two threads.
    /// </summary>
    public bool HasTwins { get; init; }

    /// <summary>Queues and twins.</summary>
    public int VirtqueueCount => HasTwins ? 2 * QueueCount : QueueCount;

    /// <summary>A power of two, 4 to 1024: largest queue size that the driver may choose.</summary>
    public ushort QueueSize { get; init; } = 256;

    /// <summary>Sectors in one DISCARD range.</summary>
    public uint MaxDiscardSectors { get; init; } = 1 << 22;

    /// <summary>Sectors in one WRITE_ZEROES range.</summary>
    public uint MaxWriteZeroesSectors { get; init; } = 1 << 22;

    /// <summary>The write cache is on when the driver starts; it may change it (CONFIG_WCE).</summary>
    public bool WriteCache { get; init; } = true;

    /// <summary>As <see cref="IoThreadPlacement"/> takes it: longest busy-poll of an IOThread in nanoseconds; null leaves it to the driver's hints.</summary>
    public long? PollMaxNs { get; init; }

    /// <summary>Features that are not to be offered, for measuring what they buy.</summary>
    public VirtioFeatures WithheldFeatures { get; init; }
}
