using RingCore.Posix;

namespace RingCore.Aio;

/// <content>From what the monitor and polling found to the handlers' callbacks.</content>
public sealed partial class AioContext : IFdEventSink
{
    private FdNode? _readyHead;
    private FdNode? _readyTail;

    /// <inheritdoc/>
    bool IFdEventSink.Report(FdNode node, PollEvents events)
    {
        if (node.Handler is not { } handler)
        {
            return false;
        }

        if (IsHeld(handler))
        {
            node.IsSuspended = true;
            return false;
        }

        node.ReadyEvents |= events;
        EnqueueReady(node);
        return true;
    }

    private void EnqueueReady(FdNode node)
    {
        if (node.InReadyQueue)
        {
            return;
        }

        node.InReadyQueue = true;
        if (_readyTail is null)
        {
            _readyHead = node;
        }
        else
        {
            _readyTail.NextReady = node;
        }

        _readyTail = node;
    }

    private FdNode? DequeueReady()
    {
        FdNode? node = _readyHead;
        if (node is not null)
        {
            _readyHead = node.NextReady;
            node.NextReady = null;
            node.InReadyQueue = false;
            if (_readyHead is null)
            {
                _readyTail = null;
            }
        }

        return node;
    }

    // Takes nodes one by one, since a handler may delete others, or run a nested round that serves the rest.
    private bool DispatchReady()
    {
        bool progress = false;
        while (DequeueReady() is { } node)
        {
            progress |= Dispatch(node) && node != _wakerNode;
        }

        return progress;
    }

    private bool Dispatch(FdNode node)
    {
        PollEvents events = node.ReadyEvents;
        bool polled = node.ReadyByPoll;
        node.ReadyEvents = PollEvents.None;
        node.ReadyByPoll = false;
        if (node.Handler is not { } handler)
        {
            return false;
        }

        if (IsHeld(handler))
        {
            // The monitor will report the events again, but for edges, which are kept; what Poll found has to be looked for again.
            MarkForPollCheck(node, polled);
            node.IsSuspended |= node.IsNotified;
            return false;
        }

        const PollEvents Broken = PollEvents.Error | PollEvents.HangUp;
        bool progress = false;
        bool readable = (events & (PollEvents.In | Broken)) != 0 && handler.Read is not null;
        if (polled)
        {
            readable &= handler.PollReady is not null;
            (handler.PollReady ?? handler.Read ?? handler.Notified)?.Invoke();
            progress = true;
        }

        if (handler.Notified is not null && node.Handler == handler)
        {
            progress |= DeliverNotification(node, handler, (events & (PollEvents.In | Broken)) != 0);
        }

        // A callback may have deleted or replaced the handler: then these events were not meant for the new one.
        if (readable && node.Handler == handler)
        {
            handler.Read!();
            progress = true;
        }

        if ((events & (PollEvents.Out | Broken)) != 0 && handler.Write is not null && node.Handler == handler)
        {
            handler.Write();
            progress = true;
        }

        return progress;
    }

    // An edge stands for itself; a notifier that is watched by its level has to be cleared.
    private static bool DeliverNotification(FdNode node, AioHandler handler, bool readable)
    {
        bool notified = node.IsNotified;
        node.IsNotified = false;
        if (!notified && !(readable && node.Notifier!.TestAndClear()))
        {
            return false;
        }

        handler.Notified!();
        return true;
    }
}
