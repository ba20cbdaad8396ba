using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>
/// One virtqueue of a <see cref="BlkQueue"/>, which has one or two: the ring, each slot's place in it, and the doorbell. Any
/// slot's chain may go into either. One thread.
/// </summary>
internal sealed unsafe class BlkRing
{
    private readonly DriverQueue _ring;
    private readonly RingMemory _memory;
    private readonly bool _indirect;
    private readonly BlkQueueStatistics _statistics;

    /// <param name="doorbell">Rings the virtqueue's doorbell.</param>
    public BlkRing(RingMemory memory, ushort queueSize, VirtioFeatures features, Action doorbell, BlkQueueStatistics statistics)
    {
        _memory = memory;
        _indirect = features.HasFlag(VirtioFeatures.IndirectDescriptors);
        _ring = new DriverQueue(
            new SplitRing(queueSize, memory.DescriptorTable, memory.AvailableRing, memory.UsedRing), features);
        Doorbell = doorbell;
        _statistics = statistics;
    }

    /// <summary>Rings whether the device wants it or not. Another one after each reset.</summary>
    public Action Doorbell { get; set; }

    /// <summary>Requests with the device.</summary>
    public int Outstanding => _ring.Outstanding;

    /// <summary>Requests that the device has not been shown.</summary>
    public int Unpublished => _ring.Unpublished;

    /// <summary>The device has returned a request.</summary>
    public bool HasUsed => _ring.HasUsed;

    /// <summary>
    /// The device has something, or has been asked for silence. A ring that is not in use need not be looked at: nothing that is
    /// ours can come back, and an interrupt is wanted for the next that does. What a device puts there all the same breaks a rule,
    /// which is found out at the next request.
    /// </summary>
    public bool IsInUse { get; private set; }

    /// <summary>
    /// The slot's header, data and status descriptors, in its indirect table or in this ring's, and the index of the first. Slots
    /// number at most <see cref="BlkQueue.MaxSlots"/>, so three a slot stay inside the ring's table.
    /// </summary>
    public Descriptor* DescriptorsOf(int slot, Descriptor* indirectTable, out ushort first)
    {
        first = _indirect ? (ushort)0 : (ushort)(3 * slot);
        return _indirect ? indirectTable : (Descriptor*)_memory.DescriptorTable + first;
    }

    /// <summary>The one descriptor of a slot that has the others in a table of its own.</summary>
    public void PutIndirect(int slot, in Descriptor descriptor) => _ring.Descriptors[slot] = descriptor;

    /// <summary>Adds the slot's chain; the device sees it after <see cref="Publish"/>.</summary>
    /// <param name="writableLength">Bytes of it that the device may write.</param>
    public void Add(int slot, uint writableLength)
    {
        IsInUse = true;
        _ring.Add(HeadOf(slot), writableLength);
    }

    /// <summary>Adds it as it was at its last <see cref="Add"/>.</summary>
    public void AddAgain(int slot)
    {
        IsInUse = true;
        _ring.AddAgain(HeadOf(slot));
    }

    /// <summary>Shows the device all that was added, and rings once if it wants that.</summary>
    public void Publish()
    {
        int batch = _ring.Unpublished;
        if (batch == 0)
        {
            return;
        }

        _ring.Publish();
        _statistics.CountBatch(batch);
        if (_ring.ShouldKick())
        {
            _statistics.KicksSent++;
            Doorbell();
        }
        else
        {
            _statistics.KicksSuppressed++;
        }
    }

    /// <summary>Takes one request back; false when there is none.</summary>
    /// <exception cref="RingException">The device broke a rule.</exception>
    public bool TryTakeUsed(out int slot)
    {
        bool taken = _ring.TryTakeUsed(out ushort head, out _);
        slot = _indirect ? head : head / 3;
        return taken;
    }

    /// <summary>Asks for no interrupts, until <see cref="EnableInterrupts"/>.</summary>
    public void DisableInterrupts()
    {
        IsInUse = true;
        _ring.DisableInterrupts();
    }

    /// <summary>Asks for one at the next request that comes back; true when one has come meanwhile.</summary>
    public bool EnableInterrupts()
    {
        bool hasUsed = _ring.EnableInterrupts();
        IsInUse = hasUsed || _ring.Outstanding > 0;
        return hasUsed;
    }

    /// <summary>The device has been reset: the ring is as at the beginning.</summary>
    public void Restart()
    {
        _ring.Restart();
        IsInUse = false;
    }

    /// <summary>After <see cref="Restart"/>: takes back what was added since.</summary>
    public void Forget()
    {
        _ring.Forget(); // and is in use, as far as it is known, until interrupts are wanted again
    }

    private ushort HeadOf(int slot) => (ushort)(_indirect ? slot : 3 * slot);
}
