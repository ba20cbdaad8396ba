using RingCore.Posix;

namespace RingCore.Aio;

/// <content>One round of the loop.</content>
public sealed partial class AioContext
{
    /// <summary>An idle bottom half waits at most so long for company.</summary>
    private const long IdleBottomHalfNs = 10_000_000;

    private const long Forever = -1;
    private readonly Lock _roundEndLock = new();
    private Action[] _roundEnds = [];

    /// <summary>
    /// Calls <paramref name="callback"/> at the end of every round, before the loop sleeps again; any thread. For work that
    /// is done once for all that a round brought: publishing, notifying. It should be cheap when there is nothing to do.
    /// </summary>
    public void AddRoundEnd(Action callback)
    {
        lock (_roundEndLock)
        {
            Volatile.Write(ref _roundEnds, [.. _roundEnds, callback]); // pairs with the read in RunRoundEnds
        }
    }

    /// <summary>Takes back one <see cref="AddRoundEnd"/>; any thread. A call from another thread may still be running after it.</summary>
    public void RemoveRoundEnd(Action callback)
    {
        lock (_roundEndLock)
        {
            List<Action> rest = [.. _roundEnds];
            rest.Remove(callback);
            Volatile.Write(ref _roundEnds, [.. rest]); // pairs with the read in RunRoundEnds
        }
    }

    private bool RunRound(bool blocking)
    {
        Statistics.Rounds++;
        ApplyChanges();
        WaitForWork(blocking ? TimeUntilWork() : 0);

        // Whatever was published before this is seen below; what comes after it is notified anew, and keeps the next round awake.
        _waker.Acknowledge();
        ApplyChanges();
        bool progress = _ring.Deliver();
        progress |= DispatchReady();
        progress |= BottomHalves.RunAll();
        progress |= Timers.RunDue();
        RunRoundEnds();
        return progress;
    }

    // Nanoseconds that the loop may sleep for all it knows; 0 when there is work, Forever when there is none in sight.
    private long TimeUntilWork()
    {
        if (_readyHead is not null || _ring.HasPending || _waker.IsNotified)
        {
            return 0;
        }

        BottomHalves.Look(out bool urgent, out bool idle);
        if (urgent)
        {
            return 0;
        }

        long timeout = idle ? IdleBottomHalfNs : Forever;
        long due = Timers.NextDue;
        if (due != long.MaxValue)
        {
            long left = Math.Max(0, due - MonotonicClock.Nanoseconds);
            timeout = timeout == Forever ? left : Math.Min(timeout, left);
        }

        return timeout;
    }

    private void WaitForWork(long timeoutNs)
    {
        long maxNs = _polling.MaxNs;
        bool mayPoll = maxNs > 0 && _unpollableHandlers == 0;
        bool isWorthIt = mayPoll && ExpectsWork();
        bool learns = isWorthIt && timeoutNs != 0;
        long started = learns ? MonotonicClock.Nanoseconds : 0;
        bool found = mayPoll && !isWorthIt ? FinishUnaskedPolling() : TryPolling(mayPoll, maxNs, timeoutNs);
        if (found)
        {
            timeoutNs = 0;
        }
        else if (learns && timeoutNs > 0)
        {
            timeoutNs = Math.Max(0, timeoutNs - (MonotonicClock.Nanoseconds - started)); // polling took its part
        }

        // What polling found needs no kernel; what that may know is asked for when polling finds nothing, and now and then.
        if (!found || _monitor!.HasWork || ++_roundsWithoutMonitor >= MaxRoundsWithoutMonitor)
        {
            _roundsWithoutMonitor = 0;
            WaitInKernel(timeoutNs);
        }

        if (learns)
        {
            _polling.Learn(MonotonicClock.Nanoseconds - started, maxNs);
        }
    }

    private void WaitInKernel(long timeoutNs)
    {
        if (timeoutNs == 0 || !_waker.TrySleep())
        {
            _monitor!.Wait(0);
            return;
        }

        Statistics.Sleeps++;
        try
        {
            _monitor!.Wait(timeoutNs);
        }
        finally
        {
            if (_waker.Wake())
            {
                Statistics.Wakeups++;
            }
        }
    }

    private void RunRoundEnds()
    {
        Action[] callbacks = Volatile.Read(ref _roundEnds); // pairs with AddRoundEnd and RemoveRoundEnd
        foreach (Action callback in callbacks)
        {
            callback();
        }
    }

    // Creates the monitor on the thread that will use it; a ring that belongs to another thread is replaced.
    private void PrepareMonitor()
    {
        if (_monitor is { CanRunHere: true })
        {
            return;
        }

        ReplaceMonitor();
    }

    /// <summary>Goes on with a new monitor, whose thread is the calling one. Nothing that the old one knew is lost.</summary>
    internal void ReplaceMonitor()
    {
        IFdMonitor? old = _monitor;
        IFdMonitor fresh = CreateMonitor();
        old?.Retire();
        _monitor = fresh;
        _ring.Monitor = fresh as IoUringMonitor;
        old?.Dispose();
        _wakerNode.ResetWatch();
        _monitor.Watch(_wakerNode, _wakerNode.WantedEvents);
        WatchAllAgain();
    }

    private IFdMonitor CreateMonitor()
    {
        if (_wantedMonitor == FdMonitorKind.Epoll)
        {
            return new EpollMonitor(this);
        }

        try
        {
            return new IoUringMonitor(this, _ring, _wantsLargeEntries);
        }
        catch (PosixException e) when (_wantedMonitor == FdMonitorKind.Auto)
        {
            Log.Debug("{0}: no io_uring ({1}), using epoll.", Name, e.Message);
            return new EpollMonitor(this);
        }
    }
}
