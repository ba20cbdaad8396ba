namespace RingCore.Virtio;

/// <summary>
/// What a split queue has in flight, noted in memory that outlives the process that serves it, so that the next one knows what
/// to do again (QEMU's docs/interop/vhost-user.rst, "Inflight I/O tracking"). Used by the queue's thread. The memory is shared
/// with the front-end, so nothing that is read from it is believed without a check.
/// </summary>
/// <remarks>
/// A chain is in flight from the store of its <c>inflight</c> mark, before anything is done for it, until its used element is
/// published. A process that is killed between the publication and the store that takes the mark away leaves
/// <c>used_idx</c> behind the ring's own index, and <c>last_batch_head</c> says whose mark is to be taken away still.
/// </remarks>
public sealed unsafe class InflightRegion
{
    private const ushort CurrentVersion = 1;
    private const int HeaderSize = 16;
    private const int EntrySize = 16;
    private const int Alignment = 64;

    // Offsets of QueueRegionSplit and of its DescStateSplit.
    private const int Version = 8;
    private const int EntryCount = 10;
    private const int LastBatchHead = 12;
    private const int UsedIndex = 14;
    private const int EntryNext = 6;
    private const int EntryCounter = 8;
    private readonly byte* _region;
    private readonly ushort _entries;
    private ulong _counter;

    /// <param name="region"><see cref="SizeFor"/> bytes that stay mapped as long as this is used, aligned to 8.</param>
    /// <param name="entries">The largest queue size that there is room for.</param>
    public InflightRegion(byte* region, ushort entries)
    {
        _region = region;
        _entries = entries;
    }

    /// <summary>The largest queue size that there is room for.</summary>
    public ushort Entries => _entries;

    /// <summary>Bytes of the region of a queue with so many entries.</summary>
    public static int SizeFor(ushort entries) => (HeaderSize + (EntrySize * entries) + Alignment - 1) & -Alignment;

    /// <summary>
    /// Finds what was in flight when the one before ended. False when it left nothing to go by: the region is new, was closed, or
    /// belongs to another life of the ring.
    /// </summary>
    /// <param name="publishedUsed">used.idx of the ring.</param>
    /// <param name="ringSize">The ring's size, at most <see cref="Entries"/>.</param>
    /// <param name="heads">The chains, in the order in which they were taken.</param>
    public bool TryRecover(ushort publishedUsed, ushort ringSize, out ushort[] heads)
    {
        heads = [];
        ushort unmarked = (ushort)(publishedUsed - Field(UsedIndex));
        if (Field(Version) != CurrentVersion || Field(EntryCount) != _entries || unmarked > ringSize)
        {
            return false;
        }

        // The list was made by whoever served the ring: it may say anything, but it is walked no further than the batch's size.
        ushort head = Field(LastBatchHead);
        for (; unmarked > 0 && head < ringSize; unmarked--)
        {
            *Entry(head) = 0;
            head = *(ushort*)(Entry(head) + EntryNext);
        }

        Field(UsedIndex) = publishedUsed;
        List<(ulong Counter, ushort Head)> found = [];
        for (ushort i = 0; i < ringSize; i++)
        {
            if (*Entry(i) == 1)
            {
                found.Add((*(ulong*)(Entry(i) + EntryCounter), i));
            }
        }

        found.Sort();
        _counter = found.Count == 0 ? 0 : found[^1].Counter + 1;
        heads = [.. found.Select(f => f.Head)];
        return true;
    }

    /// <summary>Nothing is in flight: begins to take notes.</summary>
    public void Open(ushort publishedUsed)
    {
        // SizeFor covers the header and the entries.
        Volatile.Write(ref Field(Version), 0); // Killed here, the next one finds a region that is not in use.
        new Span<byte>(_region, HeaderSize + (EntrySize * _entries)).Clear();
        _counter = 0;
        Field(EntryCount) = _entries;
        Field(UsedIndex) = publishedUsed;
        Volatile.Write(ref Field(Version), CurrentVersion); // Pairs with TryRecover of the next process: the rest comes first.
    }

    /// <summary>The ring is at rest, with nothing in flight: whoever serves it next starts from what the front-end says.</summary>
    public void Close() => Volatile.Write(ref Field(Version), 0); // Pairs with TryRecover.

    /// <summary>The chain at <paramref name="head"/> is in flight; before anything is done for it.</summary>
    internal void Take(ushort head)
    {
        byte* entry = Entry(head);
        *(ulong*)(entry + EntryCounter) = _counter++;
        Volatile.Write(ref *entry, 1); // Pairs with TryRecover of the next process: the counter comes first.
    }

    /// <summary>Its used element is about to be published.</summary>
    internal void BeforePublishing(ushort head)
    {
        *(ushort*)(Entry(head) + EntryNext) = Field(LastBatchHead);
        Volatile.Write(ref Field(LastBatchHead), head); // Comes before the publication, which is a release.
    }

    /// <summary>Its used element has been published, by which used.idx became <paramref name="publishedUsed"/>.</summary>
    internal void AfterPublishing(ushort head, ushort publishedUsed)
    {
        Volatile.Write(ref *Entry(head), 0); // Comes after the publication; the two pair with TryRecover.
        Volatile.Write(ref Field(UsedIndex), publishedUsed);
    }

    // The offset is one of the constants above, inside the header.
    private ref ushort Field(int offset) => ref *(ushort*)(_region + offset);

    // Every caller's head is below the ring's size, which is at most _entries.
    private byte* Entry(ushort head) => _region + HeaderSize + (EntrySize * head);
}
