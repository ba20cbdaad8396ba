using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>
/// How much data one request carries, and in how many descriptors: as the device bounds it (virtio 1.3 §5.2.4, size_max and
/// seg_max), and no more than a slot needs.
/// </summary>
/// <param name="SegmentBytes">Most bytes of one descriptor, whole sectors.</param>
/// <param name="Segments">Most descriptors; 1 where one holds a whole slot.</param>
/// <param name="MaxTransfer">Most bytes of an operation at any offset, whole pages.</param>
public readonly record struct TransferLimits(uint SegmentBytes, int Segments, int MaxTransfer)
{
    private const int PageSize = 4096;

    /// <summary>A whole payload, and the part of a block that an unaligned one has more.</summary>
    private const int SlotBytes = QueueMemory.MaxTransfer + QueueMemory.MaxBlockSize;

    /// <exception cref="ProtocolException">Not even a page can be transferred.</exception>
    public static TransferLimits Of(VirtioFeatures features, in BlkConfig config, ushort queueSize)
    {
        // qemu's exports offer SIZE_MAX and say 0, by which they mean that they do not care.
        bool isBounded = features.HasFlag(VirtioFeatures.BlkSizeMax) && config.SizeMax is > 0 and < SlotBytes;
        if (!isBounded)
        {
            return new TransferLimits(SlotBytes, 1, QueueMemory.MaxTransfer);
        }

        // Without SEG_MAX nothing is said of a second segment; and without indirect descriptors a slot has no room for it.
        bool severalAllowed = features.HasFlag(VirtioFeatures.BlkSegMax | VirtioFeatures.IndirectDescriptors);
        int allowed = severalAllowed ? (int)Math.Clamp(config.SegMax, 1, QueueMemory.MaxDataDescriptors) : 1;
        allowed = Math.Min(allowed, queueSize - 2); // a chain is no longer than the queue (§2.7.5.3.1)
        uint bytes = config.SizeMax - (config.SizeMax % BlkConfig.SectorSize);
        long payload = (bytes * (long)allowed) - QueueMemory.MaxBlockSize;
        if (payload < PageSize)
        {
            throw new ProtocolException(
                $"the device takes no more than {allowed} segments of {config.SizeMax} bytes a request, which is too little to drive it");
        }

        int transfer = (int)Math.Min(QueueMemory.MaxTransfer, payload & ~(PageSize - 1L));
        int needed = (int)((transfer + QueueMemory.MaxBlockSize + bytes - 1) / bytes);
        return new TransferLimits(bytes, needed, transfer);
    }
}
