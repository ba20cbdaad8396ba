using RingCore.Memory;

namespace RingCore.Virtio;

/// <summary>
/// The device's side of one split ring (virtio 1.3 §2.7): takes chains from the available ring, returns them through the
/// used ring, and decides about notifications. Used by one thread at a time. Everything it reads from the ring is
/// hostile: read once, checked, and used from the local copy. A broken rule throws <see cref="RingException"/>.
/// </summary>
public sealed unsafe class DeviceQueue
{
    private readonly ulong _descriptorTable;
    private readonly ulong _availRing;
    private readonly ulong _usedRing;
    private readonly bool _eventIndex;
    private readonly bool _indirect;
    private readonly ushort _size;
    private GuestMemoryMap? _memory;
    private SplitRing _ring;
    private ushort _nextAvail;
    private ushort _seenAvail;
    private ushort _nextUsed;
    private ushort _signalledUsed;
    private bool _signalledUsedValid;
    private bool _notificationsWanted = true;
    private InflightRegion? _inflight;
    private Queue<ushort>? _again;

    /// <param name="size">Queue size that the driver chose.</param>
    /// <param name="descriptorTable">Guest address of the descriptor table; the next two of the rings.</param>
    /// <param name="availRing"/>
    /// <param name="usedRing"/>
    /// <param name="features">The negotiated features; EVENT_IDX and INDIRECT_DESC matter.</param>
    /// <exception cref="RingException">Size or alignment is not what §2.7 requires.</exception>
    public DeviceQueue(ushort size, ulong descriptorTable, ulong availRing, ulong usedRing, VirtioFeatures features)
    {
        if (!SplitRingLayout.IsValidQueueSize(size))
        {
            throw new RingException($"queue size {size} is not a power of two up to {SplitRingLayout.MaxQueueSize}");
        }

        if (descriptorTable % SplitRingLayout.DescriptorAlignment != 0
            || availRing % SplitRingLayout.AvailAlignment != 0
            || usedRing % SplitRingLayout.UsedAlignment != 0)
        {
            throw new RingException("a part of the ring is not aligned");
        }

        _size = size;
        _descriptorTable = descriptorTable;
        _availRing = availRing;
        _usedRing = usedRing;
        _eventIndex = features.HasFlag(VirtioFeatures.EventIndex);
        _indirect = features.HasFlag(VirtioFeatures.IndirectDescriptors);
    }

    /// <summary>The ring lies in mapped memory, so that it can be served.</summary>
    public bool IsMapped => _memory != null;

    /// <summary>The snapshot that chains are translated with.</summary>
    public GuestMemoryMap Memory => _memory ?? throw new InvalidOperationException("the ring is not mapped");

    /// <summary>Index of the next chain to take, as the vring base of §2.7.6; free-running.</summary>
    public ushort NextAvail => _nextAvail;

    /// <summary>Chains taken and not returned.</summary>
    public int InFlight => (ushort)(_nextAvail - _nextUsed);

    /// <summary>
    /// Finds the ring in <paramref name="memory"/>. To be called before the first use and after each change of the memory
    /// map, while the queue is quiet. False, and the queue unusable, when a part is not (or no longer) mapped.
    /// </summary>
    public bool TryMap(GuestMemoryMap memory)
    {
        bool found = memory.TryGetPointer(
            _descriptorTable, (ulong)SplitRingLayout.DescriptorTableSize(_size), GuestAccess.Read, out byte* descriptors);
        found &= memory.TryGetPointer(_availRing, (ulong)SplitRingLayout.AvailSize(_size), GuestAccess.Read, out byte* avail);
        found &= memory.TryGetPointer(_usedRing, (ulong)SplitRingLayout.UsedSize(_size), GuestAccess.Write, out byte* used);
        if (!found)
        {
            _memory = null;
            return false;
        }

        _ring = new SplitRing(_size, descriptors, avail, used);
        _memory = memory;
        return true;
    }

    /// <summary>
    /// Lets go of the memory, which may be unmapped from now on. The ring rests, without chains in flight, until
    /// <see cref="TryMap"/>; it loses nothing of what it knows.
    /// </summary>
    public void Unmap()
    {
        _memory = null;
        _ring = default;
    }

    /// <summary>
    /// Takes over, while it is mapped and before it is served, a queue that another has served: used elements go on where the
    /// ring says. With <paramref name="inflight"/>, what is in flight is noted there from now on, and what its notes say was in
    /// flight is to be taken again (<see cref="TryTakeAgain"/>).
    /// </summary>
    /// <param name="nextAvail">The next chain to take; the notes know better where there are any.</param>
    /// <param name="inflight">Null: no notes are taken.</param>
    /// <exception cref="RingException">The notes have no room for a queue of this size.</exception>
    public void TakeOver(ushort nextAvail, InflightRegion? inflight)
    {
        ushort used = Volatile.Read(ref _ring.UsedIndex); // Pairs with the release in Push of whoever served it before.
        if (inflight is null)
        {
            SetBase(nextAvail, used);
            return;
        }

        if (inflight.Entries < _size)
        {
            throw new RingException($"the inflight buffer has room for {inflight.Entries} chains, the queue has {_size}");
        }

        if (inflight.TryRecover(used, _size, out ushort[] heads))
        {
            // What was taken is either published or in flight, so that is where the available ring was left.
            _again = new Queue<ushort>(heads);
            nextAvail = (ushort)(used + heads.Length);
        }
        else
        {
            inflight.Open(used);
        }

        SetBase(nextAvail, used);
        _inflight = inflight;
    }

    /// <summary>Takes the next chain that whoever served the queue before left in flight; false when there is none.</summary>
    /// <exception cref="RingException">As <see cref="TryPop"/>.</exception>
    public bool TryTakeAgain(DescriptorChain chain)
    {
        if (_again is null || !_again.TryDequeue(out ushort head))
        {
            _again = null;
            return false;
        }

        chain.Read(_ring, head, _indirect, _memory!); // Below the size: TryRecover found it there.
        return true;
    }

    /// <summary>True when the driver has made no chain available beyond those taken. The ring is mapped.</summary>
    public bool IsEmpty
    {
        get
        {
            if (_nextAvail != _seenAvail)
            {
                return false;
            }

            // Pairs with the driver's release store of avail.idx: the ring entries and descriptors before it are visible.
            _seenAvail = Volatile.Read(ref _ring.AvailIndex);
            return _nextAvail == _seenAvail;
        }
    }

    /// <summary>Takes the next chain into <paramref name="chain"/>; false when there is none.</summary>
    /// <exception cref="RingException">The driver broke a rule; the queue is not usable any more.</exception>
    public bool TryPop(DescriptorChain chain)
    {
        if (IsEmpty)
        {
            return false;
        }

        // More chains than entries can only mean an index that jumped: it would replay stale entries.
        ushort pending = (ushort)(_seenAvail - _nextAvail);
        if (pending > _size)
        {
            throw new RingException($"avail.idx moved {pending} past a queue of {_size} entries");
        }

        // A driver that makes the same descriptors available again and again would pile up requests without bound.
        if (InFlight >= _size)
        {
            throw new RingException($"more than {_size} chains are in flight");
        }

        ushort head = _ring.AvailEntry(_nextAvail);
        if (head >= _size)
        {
            throw new RingException($"available ring names descriptor {head} in a queue of {_size} entries");
        }

        _nextAvail++;
        _inflight?.Take(head);
        chain.Read(_ring, head, _indirect, _memory!);
        return true;
    }

    /// <summary>
    /// Returns a chain: writes its used element and publishes it. The driver may see it from now on; it is told by
    /// <see cref="ShouldNotify"/>'s caller.
    /// </summary>
    /// <param name="head">Head descriptor of a chain that was taken and not returned.</param>
    /// <param name="written">Bytes written to its device-writable part.</param>
    public void Push(ushort head, uint written) => PushAs(head, head, written);

    /// <summary>For faults on purpose: as <see cref="Push"/>, but the driver is told that it was another chain.</summary>
    public void PushAs(ushort told, ushort head, uint written)
    {
        _ring.UsedEntry(_nextUsed) = new UsedElement { Id = told, Length = written };
        _nextUsed++;
        _inflight?.BeforePublishing(head);

        // Release: pairs with the driver's acquire load of used.idx; payload, status and used element come first.
        Volatile.Write(ref _ring.UsedIndex, _nextUsed);
        _inflight?.AfterPublishing(head, _nextUsed);
    }

    /// <summary>
    /// For faults on purpose: tells the driver of <paramref name="extra"/> chains more than have come back. The next
    /// <see cref="Push"/> takes it back.
    /// </summary>
    public void PublishWrongIndex(ushort extra) => Volatile.Write(ref _ring.UsedIndex, (ushort)(_nextUsed + extra)); // As in Push.

    /// <summary>
    /// Does the driver want an interrupt for what was pushed since the last call (§2.7.7.2)? Calling it commits to
    /// raising the interrupt when it answers true.
    /// </summary>
    public bool ShouldNotify()
    {
        if (_memory == null || (_signalledUsedValid && _signalledUsed == _nextUsed))
        {
            return false;
        }

        // Store used.idx, then load used_event or flags: pairs with the driver's store of used_event, fence, load of
        // used.idx (DriverQueue.EnableInterrupts). One of the two sides sees the other's store.
        Interlocked.MemoryBarrier();
        if (!_eventIndex)
        {
            _signalledUsed = _nextUsed;
            _signalledUsedValid = true;
            return (Volatile.Read(ref _ring.AvailFlags) & SplitRingLayout.AvailNoInterrupt) == 0;
        }

        ushort old = _signalledUsed;
        bool known = _signalledUsedValid;
        _signalledUsed = _nextUsed;
        _signalledUsedValid = true;
        return !known || SplitRing.NeedsEvent(Volatile.Read(ref _ring.UsedEvent), _nextUsed, old);
    }

    /// <summary>
    /// Asks the driver not to ring while the queue is being served anyway. A hint (§2.7.10), which reaches no driver while the
    /// ring is not mapped.
    /// </summary>
    public void DisableNotifications()
    {
        _notificationsWanted = false;
        if (!_eventIndex && IsMapped)
        {
            _ring.UsedFlags = SplitRingLayout.UsedNoNotify;
        }
    }

    /// <summary>
    /// Asks the driver to ring for the next chain. Returns true when chains have arrived meanwhile for which it may not
    /// ring any more: serve the queue again. A ring that is not mapped has none; serve it once it is.
    /// </summary>
    public bool EnableNotifications()
    {
        _notificationsWanted = true;
        if (!IsMapped)
        {
            return false;
        }

        if (_eventIndex)
        {
            _ring.AvailEvent = _nextAvail;
        }
        else
        {
            _ring.UsedFlags = 0;
        }

        // Store avail_event or flags, then load avail.idx: pairs with DriverQueue.ShouldKick's store of avail.idx, fence,
        // load of avail_event.
        Interlocked.MemoryBarrier();
        return !IsEmpty;
    }

    /// <summary>Notifications are enabled, as far as this side said last.</summary>
    public bool NotificationsEnabled => _notificationsWanted;

    private void SetBase(ushort nextAvail, ushort nextUsed)
    {
        _nextAvail = nextAvail;
        _seenAvail = nextAvail;
        _nextUsed = nextUsed;
        _signalledUsedValid = false;
    }
}
