namespace FuseFront.Driver;

/// <content>
/// What the request timeout and a reset of the device take. While the device is reset the queue is held: requests are
/// prepared in their slots as ever, but nothing is shown to the device and nothing taken from it. The order is
/// <see cref="Hold"/> for every queue, the reset, <see cref="ClearRing"/>, the device's new start, <see cref="Resume"/>.
/// </content>
public sealed unsafe partial class BlkQueue
{
    private const int AgeBits = 8;
    private const int AgeMask = (1 << AgeBits) - 1;

    private Action? _nextBatch;
    private bool _isBroken;
    private int _heldWithDevice;

    /// <summary>How often the queue has been resumed after a reset.</summary>
    public int Restarts { get; private set; }

    /// <summary>Requests go to the device and come back: the queue is neither held nor failed.</summary>
    public bool IsServing => _isServing;

    /// <summary>Calls <paramref name="notify"/> once, when the next batch is shown to the device; null: nobody cares.</summary>
    public void NotifyOfNextBatch(Action? notify) => _nextBatch = notify;

    /// <summary>
    /// Counts one tick for every request with the device, and returns the most that one has: n ticks counted are a time
    /// between n - 1 and n of them. 0 also when there is no request.
    /// </summary>
    public int Tick()
    {
        int most = 0;
        for (int slot = 0; slot < _age.Length; slot++)
        {
            int age = _age[slot] & AgeMask;
            if (age != 0)
            {
                _age[slot] += age < AgeMask ? 1 : 0;
                most = Math.Max(most, Math.Min(age, AgeMask - 1));
            }
        }

        return most;
    }

    /// <summary>Requests for which from <paramref name="least"/> to <paramref name="most"/> ticks have been counted.</summary>
    public int CountAged(int least, int most = AgeMask)
    {
        int count = 0;
        foreach (int age in _age)
        {
            int ticks = (age & AgeMask) - 1;
            count += ticks >= least && ticks <= most ? 1 : 0;
        }

        return count;
    }

    /// <summary>Rings the doorbell though the device may not want it: the last ring may have been lost.</summary>
    public void KickAgain()
    {
        Statistics.RepeatedKicks++;
        foreach (BlkRing ring in _rings)
        {
            if (ring.Outstanding > 0)
            {
                ring.Doorbell();
            }
        }
    }

    /// <summary>Shows the device nothing and believes nothing of it until <see cref="Resume"/> or <see cref="Release"/>.</summary>
    public void Hold()
    {
        if (_isServing)
        {
            _isServing = false;
            _heldWithDevice = CountAged(0) - Unpublished();
        }
    }

    /// <summary>The device broke a rule of this ring: the queue is held until <see cref="Resume"/>.</summary>
    public void Break()
    {
        Hold();
        _isBroken = true;
    }

    /// <summary>Takes a <see cref="Hold"/> back without a reset in between, unless the ring is broken.</summary>
    public void Release()
    {
        _isServing = !HasFailed && !_isBroken;
        Submit();
    }

    /// <summary>The device has been reset: the rings are as at the beginning. The queue must be held.</summary>
    public void ClearRing()
    {
        foreach (BlkRing ring in _rings)
        {
            ring.Restart();
        }
    }

    /// <summary>
    /// The device runs again: it gets every request that it had, whole and in its slot, and those that came meanwhile. One
    /// that has now timed out <paramref name="maxTimeouts"/> times ends with an I/O error instead, at the next
    /// <see cref="Complete"/>. Returns how many it got a second time, and how many have ended.
    /// </summary>
    /// <remarks>
    /// The device may have done a request before the reset without our learning of it; doing it twice is harmless. Once the
    /// status reads 0 the device touches no buffer that it was given (virtio 1.3 §2.4), so a slot's second turn is the only
    /// one. A write puts the same bytes where the first put them: whoever wrote that range meanwhile did so beside a write
    /// that was not finished, and either may win; an unaligned one has the range for itself (RangeGate). A read, a discard
    /// and a range of zeros can be repeated for the same reason. A flush covers every write that ended before it was sent:
    /// a later one covers them too, since a reset is no loss of power and what was acknowledged stays in the device's cache.
    /// </remarks>
    /// <param name="doorbells">The queue's own from now on, and its twin's.</param>
    /// <param name="lateTicks">Requests for which so many ticks have been counted have timed out.</param>
    /// <param name="maxTimeouts">So many times at most does a request time out.</param>
    public (int Again, int Ended) Resume(IReadOnlyList<Action> doorbells, int lateTicks, int maxTimeouts)
    {
        _isBroken = false;
        Restarts++;
        for (int i = 0; i < _rings.Length; i++)
        {
            _rings[i].Doorbell = doorbells[i];
            _rings[i].Forget(); // What came while the queue was held is among those that are with the device now.
        }

        int ended = 0;
        for (int slot = 0; slot < _age.Length && !HasFailed; slot++)
        {
            int age = _age[slot];
            if (age == 0)
            {
                continue;
            }

            int timeouts = (age >> AgeBits) + ((age & AgeMask) - 1 >= lateTicks ? 1 : 0);
            if (timeouts >= maxTimeouts)
            {
                _age[slot] = 0;
                _failedSlots[_failedCount++] = slot;
                ended++;
                continue;
            }

            _age[slot] = (timeouts << AgeBits) | 1;
            *(_memory.Head(slot) + QueueMemory.StatusOffset) = NoStatus; // What was written before the reset must not count.
            _ringOf[slot].AddAgain(slot);
        }

        int again = Math.Max(0, _heldWithDevice - ended);
        Statistics.Resubmitted += again;
        Release();
        return (again, ended);
    }
}
