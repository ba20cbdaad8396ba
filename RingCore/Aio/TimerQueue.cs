namespace RingCore.Aio;

/// <summary>
/// The armed timers of a context, sorted by time. Any thread arms under a lock, which the loop does not take while no timer is
/// due: <see cref="NextDue"/> is all that it reads.
/// </summary>
internal sealed class TimerQueue
{
    private readonly Lock _lock = new();

    // The next to fire is the last, so that taking it moves nothing.
    private readonly List<AioTimer> _armed = [];
    private long _nextDue = long.MaxValue;
    private long _sequence;

    /// <summary>When the next timer fires, in nanoseconds; <see cref="long.MaxValue"/> when none is armed.</summary>
    internal long NextDue => Volatile.Read(ref _nextDue); // pairs with Publish

    /// <summary>Any thread. True when the loop has to wake up earlier than it knew.</summary>
    internal bool Arm(AioTimer timer, long due)
    {
        lock (_lock)
        {
            Remove(timer);
            timer.Due = due;
            timer.Sequence = _sequence++;
            timer.IsArmed = true;
            int index = _armed.Count;
            while (index > 0 && _armed[index - 1].Due <= due)
            {
                index--;
            }

            _armed.Insert(index, timer);
            long before = _nextDue;
            Publish();
            return _nextDue < before;
        }
    }

    /// <summary>Any thread.</summary>
    internal void Cancel(AioTimer timer)
    {
        lock (_lock)
        {
            Remove(timer);
            Publish();
        }
    }

    /// <summary>Loop only: fires what is due now, but nothing that is armed meanwhile. True when one fired.</summary>
    internal bool RunDue()
    {
        if (NextDue == long.MaxValue)
        {
            return false;
        }

        long now = MonotonicClock.Nanoseconds;
        if (NextDue > now)
        {
            return false;
        }

        long limit;
        lock (_lock)
        {
            limit = _sequence;
        }

        bool fired = false;
        while (TakeDue(now, limit) is { } timer)
        {
            fired = true;
            timer.Callback();
        }

        return fired;
    }

    private AioTimer? TakeDue(long now, long limit)
    {
        lock (_lock)
        {
            if (_armed.Count == 0 || _armed[^1].Due > now || _armed[^1].Sequence >= limit)
            {
                return null;
            }

            AioTimer timer = _armed[^1];
            _armed.RemoveAt(_armed.Count - 1);
            timer.IsArmed = false;
            Publish();
            return timer;
        }
    }

    private void Remove(AioTimer timer)
    {
        if (timer.IsArmed)
        {
            _armed.Remove(timer);
            timer.IsArmed = false;
        }
    }

    private void Publish() => Volatile.Write(ref _nextDue, _armed.Count == 0 ? long.MaxValue : _armed[^1].Due); // pairs with NextDue
}
