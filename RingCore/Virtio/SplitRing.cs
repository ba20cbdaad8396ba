using System.Runtime.CompilerServices;

namespace RingCore.Virtio;

/// <summary>
/// Pointers to the three parts of one split ring in mapped memory, and typed access to their fields. Both sides use it.
/// The creator vouches that each part is mapped for its whole <see cref="SplitRingLayout"/> size, aligned, and stays so;
/// every index is masked to the queue size here, so no value read from the shared memory can lead outside.
/// </summary>
public readonly unsafe struct SplitRing
{
    private readonly Descriptor* _descriptors;
    private readonly byte* _avail;
    private readonly byte* _used;
    private readonly ushort _mask;

    /// <param name="size">A valid queue size (<see cref="SplitRingLayout.IsValidQueueSize"/>).</param>
    public SplitRing(ushort size, byte* descriptors, byte* avail, byte* used)
    {
        if (!SplitRingLayout.IsValidQueueSize(size))
        {
            throw new ArgumentOutOfRangeException(nameof(size), size, "not a power of two up to 1024");
        }

        _descriptors = (Descriptor*)descriptors;
        _avail = avail;
        _used = used;
        _mask = (ushort)(size - 1);
    }

    public ushort Size => (ushort)(_mask + 1);

    /// <summary>The descriptor table, <see cref="Size"/> entries.</summary>
    public Descriptor* Descriptors => _descriptors;

    public ref ushort AvailFlags => ref *(ushort*)_avail;

    public ref ushort AvailIndex => ref *(ushort*)(_avail + SplitRingLayout.AvailIndexOffset);

    public ref ushort UsedEvent => ref *(ushort*)(_avail + SplitRingLayout.UsedEventOffset(Size));

    public ref ushort UsedFlags => ref *(ushort*)_used;

    public ref ushort UsedIndex => ref *(ushort*)(_used + SplitRingLayout.UsedIndexOffset);

    public ref ushort AvailEvent => ref *(ushort*)(_used + SplitRingLayout.AvailEventOffset(Size));

    /// <summary>Zeroes both rings, as a queue begins; the descriptor table stays. The device must not be running.</summary>
    public void Clear()
    {
        // The creator vouches for these sizes.
        new Span<byte>(_avail, SplitRingLayout.AvailSize(Size)).Clear();
        new Span<byte>(_used, SplitRingLayout.UsedSize(Size)).Clear();
    }

    /// <summary>Entry of the available ring for a free-running index.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref ushort AvailEntry(ushort index) => ref ((ushort*)(_avail + SplitRingLayout.AvailRingOffset))[index & _mask];

    /// <summary>Entry of the used ring for a free-running index.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref UsedElement UsedEntry(ushort index) => ref ((UsedElement*)(_used + SplitRingLayout.UsedRingOffset))[index & _mask];

    /// <summary>
    /// The EVENT_IDX question (§2.7.7.2): does a step of the index from <paramref name="old"/> to
    /// <paramref name="new"/> pass <paramref name="eventIndex"/>? All three are free-running modulo 2^16.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool NeedsEvent(ushort eventIndex, ushort @new, ushort old) =>
        (ushort)(@new - eventIndex - 1) < (ushort)(@new - old);
}
