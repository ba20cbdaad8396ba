using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>Hears of each request's end, on the queue's thread.</summary>
public interface IBlkCompletion
{
    /// <summary>The request in <paramref name="slot"/> has ended; the slot is the driver's again until it is returned.</summary>
    void Completed(int slot, BlkStatus status);
}

/// <summary>
/// The virtio-blk driver's side of one queue (virtio 1.3 §5.2.6): slots whose descriptors were written once, a request
/// a slot. Requests are gathered by <see cref="Read"/>, <see cref="Write"/> … and shown to the device together by
/// <see cref="Submit"/>. One thread. Once failed, every request ends with an I/O error. This file is the data path;
/// <c>.Recovery</c> has what a reset of the device takes.
/// </summary>
public sealed unsafe partial class BlkQueue
{
    /// <summary>What the status byte holds until the device writes one.</summary>
    private const byte NoStatus = byte.MaxValue;

    /// <summary>Header, data, status.</summary>
    private const int StandardDescriptors = 3;

    private readonly BlkRing[] _rings; // the queue's own, and its twin if it has one
    private readonly BlkRing[] _ringOf; // a slot's: where its request is, or was last
    private readonly QueueMemory _memory;
    private readonly DmaMemory _dma;
    private readonly IBlkCompletion _completion;
    private readonly bool _indirect;
    private readonly TransferLimits _limits;
    private readonly int[] _freeSlots;

    // 0: not with the device. Else in the low AgeBits one more than the ticks that have been counted since it was submitted,
    // and above them how often it has timed out.
    private readonly int[] _age;
    private readonly int[] _failedSlots;
    private int _failedCount;
    private bool _isPolled;
    private int _freeCount;
    private BlkRing _next; // where a request goes that continues the last, which ended before the sector _runEnd
    private long _runEnd = -1;
    private bool _isServing = true; // neither failed nor held

    /// <param name="dma">The shared memory.</param>
    /// <param name="memory">This queue's share of it.</param>
    /// <param name="queueSize">Entries of the ring.</param>
    /// <param name="features">What was negotiated.</param>
    /// <param name="limits">What one request may carry.</param>
    /// <param name="doorbells">Of the queue's own virtqueue, and of its twin.</param>
    /// <param name="completion">Hears of ended requests.</param>
    /// <param name="twin">The twin's ring; null without one.</param>
    public BlkQueue(
        DmaMemory dma,
        QueueMemory memory,
        ushort queueSize,
        VirtioFeatures features,
        TransferLimits limits,
        IReadOnlyList<Action> doorbells,
        IBlkCompletion completion,
        RingMemory? twin = null)
    {
        _limits = limits;
        _dma = dma;
        _memory = memory;
        _completion = completion;
        _indirect = features.HasFlag(VirtioFeatures.IndirectDescriptors);
        BlkRing own = new(memory.Ring, queueSize, features, doorbells[0], Statistics);
        _rings = twin is { } second ? [own, new BlkRing(second, queueSize, features, doorbells[1], Statistics)] : [own];
        _ringOf = new BlkRing[memory.Slots];
        Array.Fill(_ringOf, own);
        _next = own;
        _freeSlots = new int[memory.Slots];
        _age = new int[memory.Slots];
        _failedSlots = new int[memory.Slots];
        for (int slot = memory.Slots - 1; slot >= 0; slot--)
        {
            _freeSlots[_freeCount++] = slot;
            foreach (BlkRing ring in _rings)
            {
                WriteDescriptors(ring, slot);
            }
        }
    }

    public BlkQueueStatistics Statistics { get; } = new();

    /// <summary>Requests with the device.</summary>
    public int Outstanding
    {
        get
        {
            int outstanding = 0;
            foreach (BlkRing ring in _rings)
            {
                outstanding += ring.Outstanding;
            }

            return outstanding;
        }
    }

    /// <summary>There is a second virtqueue for this queue's requests.</summary>
    public bool HasTwin => _rings.Length > 1;

    /// <summary>From now on requests go to the twin too, which must be there.</summary>
    public bool UsesTwin { get; set; }

    /// <summary>No request can succeed any more.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>The device has returned something, or a failed request waits to be reported.</summary>
    public bool HasCompletions => _failedCount > 0 || (_isServing && HasUsed());

    /// <summary>Most slots that a ring of this size carries.</summary>
    public static int MaxSlots(ushort queueSize, VirtioFeatures features) =>
        features.HasFlag(VirtioFeatures.IndirectDescriptors) ? queueSize : queueSize / 3;

    /// <summary>Takes a free slot; the last one returned comes first, for the caches' sake.</summary>
    public bool TryTakeSlot(out int slot)
    {
        if (_freeCount == 0)
        {
            slot = -1;
            return false;
        }

        slot = _freeSlots[--_freeCount];
        return true;
    }

    /// <summary>Gives a slot back that is not with the device.</summary>
    public void ReturnSlot(int slot)
    {
        if (_age[slot] != 0)
        {
            throw new InvalidOperationException($"slot {slot} is with the device");
        }

        _freeSlots[_freeCount++] = slot;
    }

    /// <summary>The slot's payload, <see cref="QueueMemory.MaxTransfer"/> bytes with a block's room on both sides.</summary>
    public byte* Payload(int slot) => _memory.Payload(slot);

    /// <summary>A block's room for what an unaligned write finds at its beginning.</summary>
    public byte* FirstBlock(int slot) => _memory.Head(slot) + QueueMemory.FirstBlockOffset;

    /// <summary>The same for its end.</summary>
    public byte* LastBlock(int slot) => _memory.Head(slot) + QueueMemory.LastBlockOffset;

    /// <summary>Reads <paramref name="length"/> bytes from <paramref name="sector"/> into <paramref name="data"/>, which lies in the slot.</summary>
    public void Read(int slot, long sector, byte* data, uint length) =>
        Add(slot, BlkRequestType.In, sector, data, length, deviceWrites: true);

    /// <summary>Writes <paramref name="length"/> bytes of the slot at <paramref name="data"/> to <paramref name="sector"/>.</summary>
    public void Write(int slot, long sector, byte* data, uint length) =>
        Add(slot, BlkRequestType.Out, sector, data, length, deviceWrites: false);

    /// <summary>Makes every write that has completed stable.</summary>
    public void Flush(int slot) => Add(slot, BlkRequestType.Flush, 0, null, 0, deviceWrites: false);

    /// <summary>Gives a range's blocks back; what it reads as afterwards is not defined.</summary>
    public void Discard(int slot, long sector, uint sectors) => AddRange(slot, BlkRequestType.Discard, sector, sectors, 0);

    /// <summary>Makes a range read as zeros; with <paramref name="mayUnmap"/> its blocks may be given back.</summary>
    public void WriteZeroes(int slot, long sector, uint sectors, bool mayUnmap) =>
        AddRange(slot, BlkRequestType.WriteZeroes, sector, sectors, mayUnmap ? BlkDiscardSegment.FlagUnmap : 0);

    /// <summary>Asks for the serial: <see cref="BlkConfig.IdLength"/> bytes into the payload.</summary>
    public void GetId(int slot) => Add(slot, BlkRequestType.GetId, 0, Payload(slot), BlkConfig.IdLength, deviceWrites: true);

    /// <summary>Shows the device all that was gathered, and rings once (and the twin once) if it wants that.</summary>
    public void Submit()
    {
        if (!_isServing || Unpublished() == 0)
        {
            return;
        }

        if (_nextBatch is { } notify)
        {
            _nextBatch = null;
            notify();
        }

        foreach (BlkRing ring in _rings)
        {
            ring.Publish();
        }

        _runEnd = -1; // What comes later is not merged.
    }

    /// <summary>Reports every request that has ended, until none is left, and then wants an interrupt for the next, unless it is polled.</summary>
    /// <exception cref="RingException">The device broke a rule.</exception>
    public void Complete()
    {
        do
        {
            ReportFailed();
            if (!_isServing)
            {
                return;
            }

            foreach (BlkRing ring in _rings)
            {
                if (ring.IsInUse)
                {
                    ring.DisableInterrupts();
                    TakeUsed(ring);
                }
            }
        }
        while (_failedCount > 0 || (!_isPolled && EnableInterrupts()));
    }

    /// <summary>The ring is going to be looked at until <see cref="EndPolling"/>: no interrupts are wanted.</summary>
    public void BeginPolling()
    {
        _isPolled = true;
        foreach (BlkRing ring in _rings)
        {
            ring.DisableInterrupts();
        }
    }

    /// <summary>Interrupts are wanted again; true when the ring must be looked at once more.</summary>
    public bool EndPolling()
    {
        _isPolled = false;
        return EnableInterrupts();
    }

    /// <summary>
    /// The device is gone or broken: what it has ends with an I/O error now, and so will every later request. A device that goes
    /// on writing to their slots reaches only requests that fail; what it reads there is none of theirs (BlkDriver.Sever).
    /// </summary>
    public void Fail()
    {
        HasFailed = true;
        _isServing = false;
        for (int slot = 0; slot < _age.Length; slot++)
        {
            if (_age[slot] != 0)
            {
                _age[slot] = 0;
                _failedSlots[_failedCount++] = slot;
            }
        }

        ReportFailed();
    }

    /// <summary>How the last request in a slot ended; valid from its completion until the slot's next request.</summary>
    public BlkStatus StatusOf(int slot) => Meaning(RawStatusOf(slot));

    private static BlkStatus Meaning(byte status) => status switch
    {
        (byte)BlkStatus.Ok => BlkStatus.Ok,
        (byte)BlkStatus.Unsupported => BlkStatus.Unsupported,
        _ => BlkStatus.IoError,
    };

    private byte RawStatusOf(int slot) => Volatile.Read(ref *(_memory.Head(slot) + QueueMemory.StatusOffset)); // the device writes it

    private int Unpublished()
    {
        int unpublished = 0;
        foreach (BlkRing ring in _rings)
        {
            unpublished += ring.Unpublished;
        }

        return unpublished;
    }

    private bool HasUsed()
    {
        foreach (BlkRing ring in _rings)
        {
            if (ring.IsInUse && ring.HasUsed)
            {
                return true;
            }
        }

        return false;
    }

    private bool EnableInterrupts()
    {
        bool hasUsed = false;
        foreach (BlkRing ring in _rings)
        {
            hasUsed |= ring.IsInUse && ring.EnableInterrupts();
        }

        return hasUsed;
    }

    private void TakeUsed(BlkRing ring)
    {
        while (_isServing && ring.TryTakeUsed(out int slot))
        {
            byte status = RawStatusOf(slot);
            if (status == NoStatus)
            {
                // Most likely another request's end, returned under this one's name: nothing of it may be believed.
                throw new RingException($"used ring returns slot {slot}, whose request has no status");
            }

            _age[slot] = 0;
            Statistics.Completions++;
            _completion.Completed(slot, Meaning(status));
        }
    }

    /// <summary>
    /// The ring that the next request goes into: with a twin the one with fewer requests, so that each of the two CPUs gets what
    /// it can do beside its other work. A request that continues where the last ended goes after it, since the device may merge the
    /// two.
    /// </summary>
    private BlkRing NextRing(long sector, uint length)
    {
        if (!UsesTwin)
        {
            return _rings[0];
        }

        if (sector != _runEnd)
        {
            _next = _rings[1].Outstanding <= _rings[0].Outstanding ? _rings[1] : _rings[0];
        }

        _runEnd = sector + (length / BlkConfig.SectorSize);
        return _next;
    }

    private void ReportFailed()
    {
        while (_failedCount > 0)
        {
            _completion.Completed(_failedSlots[--_failedCount], BlkStatus.IoError);
        }
    }

    private void AddRange(int slot, BlkRequestType type, long sector, uint sectors, uint flags)
    {
        byte* range = _memory.Head(slot) + QueueMemory.RangeOffset;
        *(BlkDiscardSegment*)range = new BlkDiscardSegment { Sector = (ulong)sector, SectorCount = sectors, Flags = flags };
        Add(slot, type, 0, range, BlkDiscardSegment.Size, deviceWrites: false);
    }

    private void Add(int slot, BlkRequestType type, long sector, byte* data, uint length, bool deviceWrites)
    {
        if (HasFailed)
        {
            // Reported by the next Complete: a caller never sees an end before its call has returned.
            _failedSlots[_failedCount++] = slot;
            return;
        }

        byte* head = _memory.Head(slot);
        *(BlkRequestHeader*)(head + QueueMemory.HeaderOffset) = new BlkRequestHeader { Type = type, Sector = (ulong)sector };
        *(head + QueueMemory.StatusOffset) = NoStatus;

        // Three descriptors of this slot, in its indirect table or in the ring's: see WriteDescriptors. Usually no more are needed.
        BlkRing ring = NextRing(sector, length);
        Descriptor* d = ring.DescriptorsOf(slot, IndirectTable(slot), out ushort first);
        if (length == 0)
        {
            d[0].Next = (ushort)(first + 2);
        }
        else
        {
            DescriptorFlags flags = DescriptorFlags.Next | (deviceWrites ? DescriptorFlags.Write : 0);
            uint last = length;
            d[0].Next = (ushort)(first + 1);
            if (length > _limits.SegmentBytes)
            {
                last = PutLeadingSegments(d, data, length, flags);
            }

            d[1].Address = _dma.IovaOf(data + (length - last));
            d[1].Length = last;
            d[1].Flags = flags;
        }

        _age[slot] = 1;
        _ringOf[slot] = ring;
        ring.Add(slot, deviceWrites ? length + 1 : 1);
    }

    /// <summary>
    /// Data that one descriptor may not hold: all but the last segment go into the descriptors behind the status, which come
    /// between the header's and the data's own. Returns the last segment's length.
    /// </summary>
    private uint PutLeadingSegments(Descriptor* d, byte* data, uint length, DescriptorFlags flags)
    {
        // Only an indirect table has such descriptors: Segments is 1 otherwise. It has room for Segments of data.
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, _limits.SegmentBytes * (ulong)_limits.Segments);
        ushort next = StandardDescriptors;
        d[0].Next = next;
        while (length > _limits.SegmentBytes)
        {
            d[next] = new Descriptor { Address = _dma.IovaOf(data), Length = _limits.SegmentBytes, Flags = flags, Next = (ushort)(next + 1) };
            next++;
            data += _limits.SegmentBytes;
            length -= _limits.SegmentBytes;
        }

        d[next - 1].Next = 1;
        return length;
    }

    /// <summary>The constant part: header, data and status follow one another; the data's address and length vary.</summary>
    private void WriteDescriptors(BlkRing ring, int slot)
    {
        byte* head = _memory.Head(slot);
        Descriptor* d = ring.DescriptorsOf(slot, IndirectTable(slot), out ushort first);
        d[0] = new Descriptor
        {
            Address = _dma.IovaOf(head + QueueMemory.HeaderOffset),
            Length = BlkRequestHeader.Size,
            Flags = DescriptorFlags.Next,
            Next = (ushort)(first + 1),
        };
        d[1] = new Descriptor { Flags = DescriptorFlags.Next, Next = (ushort)(first + 2) };
        d[2] = new Descriptor
        {
            Address = _dma.IovaOf(head + QueueMemory.StatusOffset),
            Length = 1,
            Flags = DescriptorFlags.Write,
        };
        if (_indirect)
        {
            ring.PutIndirect(slot, new Descriptor
            {
                Address = _dma.IovaOf((byte*)d),
                Length = (uint)(StandardDescriptors - 1 + _limits.Segments) * SplitRingLayout.DescriptorSize,
                Flags = DescriptorFlags.Indirect,
            });
        }
    }

    /// <summary>In the head page, behind what precedes it; MaxDataDescriptors and two fit (see <see cref="QueueMemory"/>).</summary>
    private Descriptor* IndirectTable(int slot) => (Descriptor*)(_memory.Head(slot) + QueueMemory.IndirectOffset);
}
