namespace RingCore.Virtio;

/// <summary>
/// Where the parts of a split virtqueue lie (virtio 1.3 §2.7). All sizes in bytes. Limits a queue to
/// <see cref="MaxQueueSize"/> entries, as every known device does.
/// </summary>
public static class SplitRingLayout
{
    public const ushort MaxQueueSize = 1024;
    public const int DescriptorSize = 16;
    public const int UsedElementSize = 8;

    /// <summary>avail: flags u16, idx u16, then the ring.</summary>
    public const int AvailIndexOffset = 2;
    public const int AvailRingOffset = 4;

    /// <summary>used: flags u16, idx u16, then the ring.</summary>
    public const int UsedIndexOffset = 2;
    public const int UsedRingOffset = 4;

    /// <summary>VIRTQ_AVAIL_F_NO_INTERRUPT (§2.7.7).</summary>
    public const ushort AvailNoInterrupt = 1;

    /// <summary>VIRTQ_USED_F_NO_NOTIFY (§2.7.10).</summary>
    public const ushort UsedNoNotify = 1;

    /// <summary>Alignment that each part requires (§2.7).</summary>
    public const int DescriptorAlignment = 16;
    public const int AvailAlignment = 2;
    public const int UsedAlignment = 4;

    public static bool IsValidQueueSize(int size) => size is > 0 and <= MaxQueueSize && (size & (size - 1)) == 0;

    public static int DescriptorTableSize(int queueSize) => DescriptorSize * queueSize;

    /// <summary>With the trailing used_event, which lies there whether negotiated or not.</summary>
    public static int AvailSize(int queueSize) => AvailRingOffset + (2 * queueSize) + 2;

    /// <summary>With the trailing avail_event.</summary>
    public static int UsedSize(int queueSize) => UsedRingOffset + (UsedElementSize * queueSize) + 2;

    /// <summary>Offset of used_event in the available ring.</summary>
    public static int UsedEventOffset(int queueSize) => AvailRingOffset + (2 * queueSize);

    /// <summary>Offset of avail_event in the used ring.</summary>
    public static int AvailEventOffset(int queueSize) => UsedRingOffset + (UsedElementSize * queueSize);
}
