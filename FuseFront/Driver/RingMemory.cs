using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>Where the three parts of one split ring lie in guest memory, in whole pages.</summary>
public readonly unsafe struct RingMemory
{
    private const int PageSize = 4096;
    private readonly byte* _base;
    private readonly ushort _queueSize;

    /// <param name="memory">All queues' memory, zeroed.</param>
    /// <param name="offset">Where the ring begins in it: a page.</param>
    /// <param name="queueSize">Entries of the ring.</param>
    public RingMemory(DmaMemory memory, long offset, ushort queueSize)
    {
        _base = memory.At(offset, BytesFor(queueSize));
        _queueSize = queueSize;
    }

    public byte* DescriptorTable => _base;

    public byte* AvailableRing => _base + SplitRingLayout.DescriptorTableSize(_queueSize);

    /// <summary>On a page of its own: the device writes here, the driver writes the two parts before.</summary>
    public byte* UsedRing => _base + DriverAreaBytes(_queueSize);

    /// <summary>What a ring needs.</summary>
    public static long BytesFor(ushort queueSize) => DriverAreaBytes(queueSize) + PageUp(SplitRingLayout.UsedSize(queueSize));

    private static long DriverAreaBytes(ushort size) =>
        PageUp(SplitRingLayout.DescriptorTableSize(size) + SplitRingLayout.AvailSize(size));

    private static long PageUp(long bytes) => (bytes + PageSize - 1) & ~(long)(PageSize - 1);
}
