namespace FuseFront.Driver;

/// <summary>
/// How one queue's share of the guest memory is laid out: the ring's three parts, then the slots. A slot is one request's
/// fixed place from end to end, in pages:
/// <code>
///   head        0x000  virtio-blk header, 16 bytes, device-readable
///               0x010  status byte, device-writable
///               0x020  one DISCARD / WRITE_ZEROES range, 16 bytes
///               0x040  indirect table: header, data and status, and further descriptors of the data where one cannot hold it
///   first       first block of an unaligned write, as it was on the disk
///   last        last block of an unaligned write
///   before      room for the block an unaligned transfer begins in
///   payload     MaxTransfer bytes
///   behind      room for the block it ends in
/// </code>
/// </summary>
public readonly unsafe struct QueueMemory
{
    /// <summary>Largest payload in bytes: FUSE's max_write.</summary>
    public const int MaxTransfer = 1 << 20;

    /// <summary>Largest logical block of a device, in bytes: the room that there is at a payload's ends.</summary>
    public const int MaxBlockSize = PageSize;

    /// <summary>Most data descriptors of one request; the indirect table has two more, for header and status.</summary>
    public const int MaxDataDescriptors = 126;

    internal const int HeaderOffset = 0;
    internal const int StatusOffset = 0x10;
    internal const int RangeOffset = 0x20;
    internal const int IndirectOffset = 0x40;
    internal const int FirstBlockOffset = PageSize;
    internal const int LastBlockOffset = FirstBlockOffset + MaxBlockSize;
    private const int PageSize = 4096;
    private const int PayloadOffset = LastBlockOffset + MaxBlockSize + MaxBlockSize;
    private const int SlotSize = PayloadOffset + MaxTransfer + MaxBlockSize;

    private readonly byte* _slots;

    /// <param name="memory">All queues' memory.</param>
    /// <param name="index">Which queue.</param>
    /// <param name="queueSize">Entries of the ring.</param>
    /// <param name="slots">Slots of the queue.</param>
    public QueueMemory(DmaMemory memory, int index, ushort queueSize, int slots)
    {
        long length = BytesFor(queueSize, slots);
        Ring = new RingMemory(memory, index * length, queueSize);
        _slots = memory.At(index * length, length) + RingMemory.BytesFor(queueSize);
        Slots = slots;
    }

    public RingMemory Ring { get; }

    public int Slots { get; }

    /// <summary>Bytes that one queue needs, in whole pages.</summary>
    public static long BytesFor(ushort queueSize, int slots) => RingMemory.BytesFor(queueSize) + ((long)slots * SlotSize);

    /// <summary>Head page of a slot; <see cref="Slots"/> of them lie behind the ring, all inside what the constructor checked.</summary>
    public byte* Head(int slot) => _slots + ((long)CheckSlot(slot) * SlotSize);

    /// <summary>Payload of a slot, with a block's room on both sides.</summary>
    public byte* Payload(int slot) => Head(slot) + PayloadOffset;

    private int CheckSlot(int slot) =>
        (uint)slot < (uint)Slots ? slot : throw new ArgumentOutOfRangeException(nameof(slot), slot, "no such slot");
}
