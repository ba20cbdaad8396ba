namespace RingCore.Aio;

/// <content>Busy-polling: looking for work without the kernel, while the peers need not notify.</content>
public sealed partial class AioContext
{
    /// <summary>Polling that always finds something may keep the monitor from being asked for so many rounds.</summary>
    private const int MaxRoundsWithoutMonitor = 64;

    // Nodes whose handler polls. Replaced, never changed, so that a callback which changes handlers does not disturb a loop over it.
    private FdNode[] _pollNodes = [];
    private bool _isPollStarted;
    private bool _needsPollCheck;
    private int _roundsWithoutMonitor;

    // True when polling found work. When false, every peer has been told to notify again if the loop is going to sleep.
    private bool TryPolling(bool mayPoll, long maxNs, long timeoutNs)
    {
        bool found = _needsPollCheck && CheckOnce();
        if (mayPoll && !found)
        {
            long timeNs = timeoutNs == 0 ? 0 : PollYields > 0 ? maxNs : _polling.Bound(maxNs);
            timeNs = timeoutNs < 0 ? timeNs : Math.Min(timeNs, timeoutNs);
            found = timeNs > 0 ? BusyPoll(timeNs) : LookOnce();
        }

        if (found)
        {
            return true;
        }

        if (_isPollStarted && (timeoutNs != 0 || !mayPoll))
        {
            StopPolling();
            return CheckOnce();
        }

        return false;
    }

    private bool ExpectsWork()
    {
        bool expects = true;
        foreach (FdNode node in _pollNodes)
        {
            if (node.Handler is { Expects: { } soon })
            {
                if (soon())
                {
                    return true;
                }

                expects = false;
            }
        }

        return expects;
    }

    // Polling goes on, without looking, for those who expect nothing. The peers of those who have no say have to notify again.
    private bool FinishUnaskedPolling()
    {
        foreach (FdNode node in _pollNodes)
        {
            if (node.IsPollStarted && node.Handler is { Expects: null, PollEnd: not null } handler && !IsHeld(handler))
            {
                EndPolling(node, handler);
                MarkForPollCheck(node, true);
            }
        }

        return _needsPollCheck && CheckOnce();
    }

    private bool BusyPoll(long timeNs)
    {
        _monitor!.Submit(); // what was prepared must not wait for the end of polling
        StartPolling();
        bool found = PollYields > 0 ? LookBetweenYields(PollYields) : LookUntil(MonotonicClock.Nanoseconds + timeNs);
        if (found)
        {
            Statistics.PollHits++;
        }
        else
        {
            Statistics.PollMisses++;
        }

        return found;
    }

    private bool LookUntil(long end)
    {
        do
        {
            if (HasSomething())
            {
                return true;
            }
        }
        while (MonotonicClock.Nanoseconds < end);

        return false;
    }

    // TryPolling looks once more after the last.
    private bool LookBetweenYields(int yields)
    {
        for (; yields > 0; yields--)
        {
            if (HasSomething())
            {
                return true;
            }

            Thread.Yield();
        }

        return false;
    }

    // A notification is found like any other work: bottom halves, timers and changes of other threads come with one. So is what
    // the kernel has ready, the completions of the ring's clients above all.
    private bool HasSomething() => LookOnce() || _waker.IsNotified || _monitor!.HasWork;

    private bool LookOnce()
    {
        bool found = false;
        foreach (FdNode node in _pollNodes)
        {
            found |= Look(node);
        }

        return found;
    }

    private bool Look(FdNode node)
    {
        if (node.Handler is not { Poll: { } poll } handler || IsHeld(handler) || !poll())
        {
            return false;
        }

        // The callback may have deleted the handler.
        if (node.Handler == handler)
        {
            node.ReadyByPoll = true;
            EnqueueReady(node);
        }

        return true;
    }

    private void StartPolling()
    {
        _isPollStarted = true;
        foreach (FdNode node in _pollNodes)
        {
            if (!node.IsPollStarted && node.Handler is { } handler && !IsHeld(handler))
            {
                node.IsPollStarted = true;
                handler.PollBegin?.Invoke();
            }
        }
    }

    // Every PollEnd asks for notifications again; what came before that is found by CheckOnce.
    private void StopPolling()
    {
        _isPollStarted = false;
        foreach (FdNode node in _pollNodes)
        {
            if (node.IsPollStarted && node.Handler is { } handler)
            {
                if (IsHeld(handler))
                {
                    _isPollStarted = true; // its turn comes when external handlers run again
                    continue;
                }

                EndPolling(node, handler);
                MarkForPollCheck(node, true);
            }
        }
    }

    private static void EndPolling(FdNode node, AioHandler handler)
    {
        if (node.IsPollStarted)
        {
            node.IsPollStarted = false;
            handler.PollEnd?.Invoke();
        }
    }

    private void MarkForPollCheck(FdNode node, bool wanted)
    {
        if (wanted && node.Handler?.Poll is not null)
        {
            node.NeedsPollCheck = true;
            _needsPollCheck = true;
        }
    }

    // Asks the marked nodes once. Those that may not run stay marked.
    private bool CheckOnce()
    {
        _needsPollCheck = false;
        bool found = false;
        foreach (FdNode node in _pollNodes)
        {
            if (!node.NeedsPollCheck)
            {
                continue;
            }

            if (node.Handler is { } handler && IsHeld(handler))
            {
                _needsPollCheck = true;
                continue;
            }

            node.NeedsPollCheck = false;
            found |= Look(node);
        }

        return found;
    }

    private void RebuildPollNodes()
    {
        _pollNodes = [.. _nodes.Values.Where(n => n.Handler!.Poll is not null)];
        _unpollableHandlers = _nodes.Count - _pollNodes.Length;
    }
}
