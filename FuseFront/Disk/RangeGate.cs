namespace FuseFront.Disk;

/// <summary>
/// Keeps an unaligned write, which reads its first and last block, changes part of them and writes them back, apart from
/// every other write to the same blocks, on all queues. Aligned writes are <em>shared</em>: they never wait for one another
/// and take no lock as long as nobody is <em>exclusive</em>; an unaligned write is exclusive in its blocks.
/// <para>
/// The lock-free half is Dekker's: a shared entrant stores its range, fences, and looks at the number of exclusives; an
/// exclusive one raises the number (a fence), and looks at the stored ranges. At least one sees the other; whoever does
/// settles it under the lock. Waiters are granted in the order they came, so nobody starves. Nothing is allocated after
/// construction: a slot has one entry, which is in the list while it matters.
/// </para>
/// </summary>
public sealed class RangeGate
{
    private readonly Lock _lock = new();
    private readonly List<Entry> _entries; // Exclusives held or waiting, and shared waiters, in order of arrival.
    private readonly Lane[] _lanes;
    private int _contended;

    /// <param name="queues">Number of queues.</param>
    /// <param name="slots">Slots of each: a slot is in one range at most.</param>
    public RangeGate(int queues, int slots)
    {
        _lanes = new Lane[queues];
        for (int i = 0; i < queues; i++)
        {
            _lanes[i] = new Lane(i, slots);
        }

        _entries = new List<Entry>(queues * slots);
    }

    /// <summary>
    /// Tells a waiter that it is in. Called under the gate's lock, on the thread of whoever made room; it must only post
    /// a message to its queue: (queue, slot).
    /// </summary>
    public Action<int, int> Granted { get; set; } = static (_, _) => { };

    /// <summary>An aligned write of [start, end) begins. False: it must wait for <see cref="Granted"/>.</summary>
    public bool TryEnterShared(int queue, int slot, long start, long end)
    {
        ref Range range = ref _lanes[queue].Ranges[slot];
        range.Start = start;
        Volatile.Write(ref range.End, end); // Read by HasSharedConflict, after its fence.
        Interlocked.MemoryBarrier(); // Store range, then load _contended: pairs with TryEnterExclusive.
        if (Volatile.Read(ref _contended) == 0)
        {
            return true;
        }

        lock (_lock)
        {
            Entry entry = EntryOf(queue, slot).Claim(start, end, isExclusive: false);
            if (!IsBlocked(entry, _entries.Count))
            {
                return true;
            }

            range.End = 0;
            _entries.Add(entry);
            Volatile.Write(ref _contended, _entries.Count);
            GrantWaiters(); // An exclusive one may have seen the range that was just withdrawn.
            return false;
        }
    }

    /// <summary>The aligned write has ended.</summary>
    public void LeaveShared(int queue, int slot)
    {
        Volatile.Write(ref _lanes[queue].Ranges[slot].End, 0);
        Interlocked.MemoryBarrier(); // Store range, then load _contended: pairs with TryEnterExclusive.
        if (Volatile.Read(ref _contended) != 0)
        {
            lock (_lock)
            {
                GrantWaiters();
            }
        }
    }

    /// <summary>An unaligned write, whose blocks are [start, end), begins. False: it must wait for <see cref="Granted"/>.</summary>
    public bool TryEnterExclusive(int queue, int slot, long start, long end)
    {
        lock (_lock)
        {
            Entry entry = EntryOf(queue, slot).Claim(start, end, isExclusive: true);
            _entries.Add(entry);
            Interlocked.Exchange(ref _contended, _entries.Count); // A full fence: pairs with TryEnterShared and LeaveShared.
            entry.IsHeld = !IsBlocked(entry, _entries.Count - 1);
            return entry.IsHeld;
        }
    }

    /// <summary>The unaligned write has ended.</summary>
    public void LeaveExclusive(int queue, int slot)
    {
        lock (_lock)
        {
            Remove(EntryOf(queue, slot));
            GrantWaiters();
        }
    }

    /// <summary>Takes a waiter out again; false when it has been granted meanwhile, or never waited.</summary>
    public bool TryCancel(int queue, int slot)
    {
        lock (_lock)
        {
            Entry entry = EntryOf(queue, slot);
            if (entry.IsHeld || !_entries.Contains(entry))
            {
                return false;
            }

            Remove(entry);
            GrantWaiters();
            return true;
        }
    }

    private Entry EntryOf(int queue, int slot) => _lanes[queue].Entries[slot];

    private void Remove(Entry entry)
    {
        _entries.Remove(entry);
        Volatile.Write(ref _contended, _entries.Count);
    }

    private void GrantWaiters()
    {
        for (int i = 0; i < _entries.Count;)
        {
            Entry entry = _entries[i];
            if (entry.IsHeld || IsBlocked(entry, i))
            {
                i++;
                continue;
            }

            if (entry.IsExclusive)
            {
                entry.IsHeld = true;
                i++;
            }
            else
            {
                // From now on its stored range speaks for it.
                ref Range range = ref _lanes[entry.Queue].Ranges[entry.Slot];
                range.Start = entry.Start;
                Volatile.Write(ref range.End, entry.End);
                _entries.RemoveAt(i);
                Interlocked.Exchange(ref _contended, _entries.Count);
            }

            Granted(entry.Queue, entry.Slot);
        }
    }

    /// <summary>Something that is before <paramref name="at"/> in the list, or under way, stands in the entry's way.</summary>
    private bool IsBlocked(Entry entry, int at)
    {
        for (int i = 0; i < at; i++)
        {
            Entry earlier = _entries[i];
            if ((entry.IsExclusive || earlier.IsExclusive) && earlier.Overlaps(entry.Start, entry.End))
            {
                return true;
            }
        }

        return entry.IsExclusive && HasSharedConflict(entry);
    }

    private bool HasSharedConflict(Entry entry)
    {
        foreach (Lane lane in _lanes)
        {
            foreach (ref Range range in lane.Ranges.AsSpan())
            {
                // A range that changes meanwhile belongs to an entrant or leaver that will come to the lock.
                long end = Volatile.Read(ref range.End);
                if (end != 0 && range.Start < entry.End && entry.Start < end)
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>A range under way; <see cref="End"/> is 0 when there is none.</summary>
    private struct Range
    {
        public long Start;
        public long End;
    }

    /// <summary>One queue's ranges, written by its thread alone, and its slots' entries, used under the lock.</summary>
    private sealed class Lane(int queue, int slots)
    {
        public readonly Range[] Ranges = new Range[slots];
        public readonly Entry[] Entries = [.. Enumerable.Range(0, slots).Select(slot => new Entry(queue, slot))];
    }

    private sealed class Entry(int queue, int slot)
    {
        public int Queue { get; } = queue;

        public int Slot { get; } = slot;

        public long Start { get; private set; }

        public long End { get; private set; }

        public bool IsExclusive { get; private set; }

        public bool IsHeld { get; set; }

        public Entry Claim(long start, long end, bool isExclusive)
        {
            (Start, End, IsExclusive, IsHeld) = (start, end, isExclusive, false);
            return this;
        }

        public bool Overlaps(long start, long end) => Start < end && start < End;
    }
}
