namespace RingCore.Virtio;

/// <summary>Feature bits this project knows: device independent ones (virtio 1.3 §6) and those of a block device (§5.2.3).</summary>
[Flags]
public enum VirtioFeatures : ulong
{
    None = 0,

    /// <summary>VIRTIO_BLK_F_SIZE_MAX: <c>size_max</c> bounds one segment.</summary>
    BlkSizeMax = 1UL << 1,

    /// <summary>VIRTIO_BLK_F_SEG_MAX: <c>seg_max</c> bounds the segments of one request.</summary>
    BlkSegMax = 1UL << 2,

    /// <summary>VIRTIO_BLK_F_RO: the disk is read-only.</summary>
    BlkReadOnly = 1UL << 5,

    /// <summary>VIRTIO_BLK_F_BLK_SIZE: <c>blk_size</c> is valid.</summary>
    BlkBlockSize = 1UL << 6,

    /// <summary>VIRTIO_BLK_F_FLUSH: the cache flush command is supported.</summary>
    BlkFlush = 1UL << 9,

    /// <summary>VIRTIO_BLK_F_TOPOLOGY: physical block size and I/O hints are valid.</summary>
    BlkTopology = 1UL << 10,

    /// <summary>VIRTIO_BLK_F_CONFIG_WCE: the driver may toggle the write cache.</summary>
    BlkConfigWce = 1UL << 11,

    /// <summary>VIRTIO_BLK_F_MQ: <c>num_queues</c> is valid.</summary>
    BlkMultiQueue = 1UL << 12,

    /// <summary>VIRTIO_BLK_F_DISCARD.</summary>
    BlkDiscard = 1UL << 13,

    /// <summary>VIRTIO_BLK_F_WRITE_ZEROES.</summary>
    BlkWriteZeroes = 1UL << 14,

    /// <summary>VIRTIO_F_INDIRECT_DESC (§2.7.5.3).</summary>
    IndirectDescriptors = 1UL << 28,

    /// <summary>VIRTIO_F_EVENT_IDX (§2.7.7, §2.7.10).</summary>
    EventIndex = 1UL << 29,

    /// <summary>
    /// VHOST_USER_F_PROTOCOL_FEATURES: no feature of virtio, which keeps this bit free; vhost-user says with it that it has
    /// features of its own.
    /// </summary>
    VhostUserProtocolFeatures = 1UL << 30,

    /// <summary>VIRTIO_F_VERSION_1: not a legacy device.</summary>
    Version1 = 1UL << 32,

    /// <summary>VIRTIO_F_RING_PACKED; known in order to be refused.</summary>
    PackedRing = 1UL << 34,
}
