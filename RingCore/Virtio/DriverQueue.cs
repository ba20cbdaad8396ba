namespace RingCore.Virtio;

/// <summary>
/// The driver's side of one split ring (virtio 1.3 §2.7.13): makes chains available, decides about kicks, takes used
/// chains back and checks each against what it gave. The descriptors are laid out by the owner, in
/// <see cref="Descriptors"/>, before a head is added. Used by one thread. What the device writes is hostile too: a wrong
/// id, length or index throws <see cref="RingException"/>.
/// </summary>
public sealed unsafe class DriverQueue
{
    private readonly SplitRing _ring;
    private readonly bool _eventIndex;
    private readonly uint[] _writableLengths;
    private readonly bool[] _outstanding;
    private ushort _nextAvail;
    private ushort _publishedAvail;
    private ushort _nextUsed;
    private int _outstandingCount;

    /// <param name="ring">Zeroed shared memory.</param>
    /// <param name="features">The negotiated features; EVENT_IDX matters.</param>
    public DriverQueue(SplitRing ring, VirtioFeatures features)
    {
        _ring = ring;
        _eventIndex = features.HasFlag(VirtioFeatures.EventIndex);
        _outstanding = new bool[ring.Size];
        _writableLengths = new uint[ring.Size];
    }

    public ushort Size => _ring.Size;

    /// <summary>The descriptor table, to be filled by the owner.</summary>
    public Span<Descriptor> Descriptors => new(_ring.Descriptors, _ring.Size);

    /// <summary>Chains given to the device and not taken back.</summary>
    public int Outstanding => _outstandingCount;

    /// <summary>Chains added since the last <see cref="Publish"/>.</summary>
    public int Unpublished => (ushort)(_nextAvail - _publishedAvail);

    /// <summary>
    /// Puts the chain that begins at <paramref name="head"/> into the available ring; the device sees it after
    /// <see cref="Publish"/>. The head must not be outstanding.
    /// </summary>
    /// <param name="head">A descriptor below <see cref="Size"/>.</param>
    /// <param name="writableLength">Bytes of the chain that the device may write: the most its answer may claim.</param>
    public void Add(ushort head, uint writableLength)
    {
        if (_outstanding[head])
        {
            throw new InvalidOperationException($"descriptor {head} is already with the device");
        }

        _outstanding[head] = true;
        _writableLengths[head] = writableLength;
        _outstandingCount++;
        _ring.AvailEntry(_nextAvail) = head;
        _nextAvail++;
    }

    /// <summary>After <see cref="Restart"/>: adds a chain again whose descriptors are as they were at its last <see cref="Add"/>.</summary>
    public void AddAgain(ushort head) => Add(head, _writableLengths[head]);

    /// <summary>
    /// Begins anew, as virtio 1.3 §2.4 has it after a reset of the device, which must be complete and the queue not enabled
    /// yet: the rings are zero, and no chain is with the device. The descriptors stay.
    /// </summary>
    public void Restart()
    {
        _ring.Clear();
        Forget();
    }

    /// <summary>After <see cref="Restart"/>, and before anything was published: takes back all that was added.</summary>
    public void Forget()
    {
        Array.Clear(_outstanding);
        _outstandingCount = 0;
        _nextAvail = 0;
        _publishedAvail = 0;
        _nextUsed = 0;
    }

    /// <summary>Shows the device every chain added so far.</summary>
    public void Publish() =>

        // Release: pairs with the acquire load in DeviceQueue.IsEmpty; descriptors and entries come first.
        Volatile.Write(ref _ring.AvailIndex, _nextAvail);

    /// <summary>
    /// After <see cref="Publish"/>: does the device want a kick for what was published since the last call (§2.7.7.2)?
    /// </summary>
    public bool ShouldKick()
    {
        ushort old = _publishedAvail;
        _publishedAvail = _nextAvail;
        if (old == _nextAvail)
        {
            return false;
        }

        // Store avail.idx, then load avail_event: pairs with DeviceQueue.EnableNotifications.
        Interlocked.MemoryBarrier();
        return _eventIndex
            ? SplitRing.NeedsEvent(Volatile.Read(ref _ring.AvailEvent), _nextAvail, old)
            : (Volatile.Read(ref _ring.UsedFlags) & SplitRingLayout.UsedNoNotify) == 0;
    }

    /// <summary>The device has returned a chain that <see cref="TryTakeUsed"/> would give.</summary>
    public bool HasUsed =>

        // Acquire: pairs with DeviceQueue.Push; the used element and what the device wrote are visible after it.
        Volatile.Read(ref _ring.UsedIndex) != _nextUsed;

    /// <summary>Takes one used chain back; false when there is none.</summary>
    /// <exception cref="RingException">The device broke a rule; it must be reset.</exception>
    public bool TryTakeUsed(out ushort head, out uint written)
    {
        head = 0;
        written = 0;
        ushort used = Volatile.Read(ref _ring.UsedIndex); // Acquire: see HasUsed.
        ushort pending = (ushort)(used - _nextUsed);
        if (pending == 0)
        {
            return false;
        }

        if (pending > _outstandingCount)
        {
            throw new RingException($"used.idx moved {pending} with {_outstandingCount} chains outstanding");
        }

        UsedElement element = _ring.UsedEntry(_nextUsed); // Copied once: the device can go on writing.
        if (element.Id >= _ring.Size || !_outstanding[element.Id])
        {
            throw new RingException($"used ring returns descriptor {element.Id}, which the device does not have");
        }

        if (element.Length > _writableLengths[element.Id])
        {
            throw new RingException(
                $"used ring claims {element.Length} bytes written where {_writableLengths[element.Id]} were writable");
        }

        _outstanding[element.Id] = false;
        _outstandingCount--;
        _nextUsed++;
        head = (ushort)element.Id;
        written = element.Length;
        return true;
    }

    /// <summary>Asks the device not to interrupt: the ring is being looked at anyway. A hint (§2.7.7).</summary>
    public void DisableInterrupts()
    {
        if (_eventIndex)
        {
            // Half of all indexes ago: before whatever the device has returned since it last asked, and not to come for long.
            _ring.UsedEvent = (ushort)(_nextUsed + 0x8000);
        }
        else
        {
            _ring.AvailFlags = SplitRingLayout.AvailNoInterrupt;
        }
    }

    /// <summary>
    /// Asks for an interrupt at the next used chain. Returns true when chains have been used meanwhile for which none may
    /// come: look at the ring again.
    /// </summary>
    public bool EnableInterrupts()
    {
        if (_eventIndex)
        {
            _ring.UsedEvent = _nextUsed;
        }
        else
        {
            _ring.AvailFlags = 0;
        }

        // Store used_event, then load used.idx: pairs with DeviceQueue.ShouldNotify.
        Interlocked.MemoryBarrier();
        return HasUsed;
    }
}
