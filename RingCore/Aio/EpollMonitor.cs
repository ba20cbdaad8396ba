using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>Waits with epoll(7): works everywhere, one system call a round.</summary>
internal sealed class EpollMonitor(IFdEventSink sink) : IFdMonitor
{
    private readonly Epoll _epoll = new();
    private readonly FdNodeTable _nodes = new();

    public FdMonitorKind Kind => FdMonitorKind.Epoll;

    public bool HasWork => false;

    public bool CanRunHere => true;

    public void Watch(FdNode node, PollEvents events)
    {
        if (events == node.Watched)
        {
            return;
        }

        if (node.Slot < 0)
        {
            _nodes.Add(node);
        }

        // An exclusive watch cannot be modified (EINVAL); and a watch for nothing would still report errors, again and again.
        bool mustRemove = events == PollEvents.None || ((events | node.Watched) & PollEvents.Exclusive) != 0;
        if (node.Watched != PollEvents.None && mustRemove)
        {
            Remove(node);
        }

        if (events == PollEvents.None)
        {
            return;
        }

        if (node.Watched == PollEvents.None)
        {
            _epoll.Add(node.Descriptor, events, (ulong)node.Slot);
        }
        else
        {
            _epoll.Modify(node.Descriptor, events, (ulong)node.Slot);
        }

        node.Watched = events;
    }

    public void Requeue(FdNode node)
    {
        PollEvents events = node.Watched;
        if (events != PollEvents.None)
        {
            Remove(node);
            Watch(node, events); // looks at the descriptor: what came in between is not lost
        }
    }

    public void Unwatch(FdNode node)
    {
        if (node.Watched != PollEvents.None)
        {
            Remove(node);
        }

        if (node.Slot >= 0)
        {
            _nodes.Remove(node);
        }
    }

    public void Wait(long timeoutNs)
    {
        int count = _epoll.Wait(timeoutNs);
        for (int i = 0; i < count; i++)
        {
            PollEvents events = _epoll.GetEvent(i, out ulong slot);
            FdNode node = _nodes[slot];
            node.IsNotified |= (node.Watched & PollEvents.Edge) != 0;
            if (!sink.Report(node, events))
            {
                Remove(node);
            }
        }
    }

    public void Submit()
    {
    }

    /// <summary>Nothing: what was not reported is still ready.</summary>
    public void Retire()
    {
    }

    public void Dispose() => _epoll.Dispose();

    private void Remove(FdNode node)
    {
        _epoll.Remove(node.Descriptor);
        node.Watched = PollEvents.None;
    }
}
