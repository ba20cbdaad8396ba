using RingCore.Posix;

namespace RingCore.Aio;

/// <content>The watched descriptors.</content>
internal sealed partial class IoUringMonitor
{
    public void Watch(FdNode node, PollEvents events)
    {
        if (node.Slot < 0)
        {
            _nodes.Add(node);
        }

        node.Watched = events;
        if (!node.IsArmed)
        {
            QueueArm(node);
        }
        else if (node.ArmedFor != events)
        {
            Cancel(node); // its last completion arms it anew
        }
    }

    public void Requeue(FdNode node)
    {
        // A poll for one event is armed anew after it, and so is the last by itself.
    }

    public void Unwatch(FdNode node)
    {
        node.Watched = PollEvents.None;
        if (node.IsArmed)
        {
            // At once: a poll in the kernel keeps the file open, and a peer waiting for its end.
            Cancel(node);
            SubmitAll();
        }
        else if (node.Slot >= 0)
        {
            _nodes.Remove(node);
        }
    }

    private void Complete(FdNode node, IoUringCqe cqe)
    {
        int result = cqe.Result;
        bool isEdge = node.IsMultishot;
        node.IsArmed = cqe.HasMore;
        if (node.Handler is null)
        {
            if (!node.IsArmed)
            {
                _nodes.Remove(node); // deleted; this was the last that the kernel knew of it
            }

            return;
        }

        // Kept also while it is paused. For a handler that watches the level the new watch, when it is armed, is enough.
        node.IsNotified |= isEdge && result >= 0 && node.Handler.Notified is not null;
        if (node.Watched == PollEvents.None)
        {
            return; // paused
        }

        if (isEdge && result == -Errno.EINVAL)
        {
            _hasMultishot = false; // before Linux 5.13; several may have been armed before the first one tells
            result = -Errno.ECANCELED;
        }

        if (result < 0 && result != -Errno.ECANCELED)
        {
            throw new PosixException(-result, "io_uring poll");
        }

        if (result >= 0 && !_sink.Report(node, (PollEvents)result))
        {
            node.Watched = PollEvents.None;
        }
        else if (!node.IsArmed)
        {
            QueueArm(node);
        }
    }

    private void QueueArm(FdNode node)
    {
        if (!node.IsArmQueued)
        {
            node.IsArmQueued = true;
            node.NextArm = _armHead;
            _armHead = node;
        }
    }

    // False when the rings are full: then completions have to be reaped first.
    private unsafe bool ArmQueued()
    {
        while (_armHead is { } node)
        {
            if (node.Watched != PollEvents.None && !node.IsArmed)
            {
                IoUringSqe* sqe = _ring.GetSqe();
                if (sqe == null)
                {
                    Enter(0, 0);
                    sqe = _ring.GetSqe();
                }

                if (sqe == null)
                {
                    return false;
                }

                Arm(node, sqe);
            }

            _armHead = node.NextArm;
            node.NextArm = null;
            node.IsArmQueued = false;
        }

        return true;
    }

    private unsafe void Arm(FdNode node, IoUringSqe* sqe)
    {
        node.ArmedFor = node.Watched;
        node.IsMultishot = (node.Watched & PollEvents.Edge) != 0 && _hasMultishot;
        if (node.IsMultishot)
        {
            sqe->PreparePollMultishot(node.Descriptor, node.Watched);
        }
        else
        {
            // For one event, and so by the level.
            sqe->PreparePollAdd(node.Descriptor, node.Watched & ~PollEvents.Edge);
        }

        sqe->UserData = (ulong)node.Slot;
        node.IsArmed = true;
    }

    // An event that is lost by it is none: the next watch looks at the descriptor.
    private unsafe void Cancel(FdNode node)
    {
        IoUringSqe* sqe = GetSqe();
        sqe->PrepareCancel((ulong)node.Slot);
        sqe->UserData = CancelTag;
    }
}
