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
        else if (node.ArmedFor != events || (node.IsArmedAsRead && !node.AllowsRead))
        {
            Cancel(node); // its completion arms it anew
        }
    }

    public void Unwatch(FdNode node)
    {
        node.Watched = PollEvents.None;
        if (node.IsArmedAsRead)
        {
            // The read may have taken a count, which goes back before anybody looks at the notifier again.
            Cancel(node);
            for (int tries = 0; node.IsArmed; tries++)
            {
                Finish(tries);
            }
        }
        else if (node.IsArmed)
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

    private void Complete(FdNode node, int result)
    {
        bool wasRead = node.IsArmedAsRead;
        node.IsArmed = false;
        node.IsArmedAsRead = false;
        if (wasRead && result == sizeof(ulong))
        {
            node.IsNotified = true;
            if (!node.AllowsRead)
            {
                node.PutBack(); // deleted, or replaced by a handler that clears the notifier itself
                result = -Errno.ECANCELED;
            }
            else
            {
                result = (int)PollEvents.In;
            }
        }

        if (node.Handler is null)
        {
            _nodes.Remove(node); // deleted; this was the last that the kernel knew of it
            return;
        }

        if (node.Watched == PollEvents.None)
        {
            return; // paused
        }

        if (wasRead && result == -Errno.EAGAIN)
        {
            // A kernel that does not wait for a file opened as non-blocking: polls do as well.
            _readsNotifiers = false;
            QueueArm(node);
            return;
        }

        if (result < 0 && result != -Errno.ECANCELED)
        {
            throw new PosixException(-result, wasRead ? "io_uring read of an eventfd" : "io_uring poll");
        }

        if (result < 0 || _sink.Report(node, (PollEvents)result))
        {
            QueueArm(node);
        }
        else
        {
            node.Watched = PollEvents.None;
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
        node.IsArmedAsRead = _readsNotifiers && node.AllowsRead;
        if (node.IsArmedAsRead)
        {
            // Every read puts its 8 bytes into the same place, where nobody looks: that it succeeded is all there is to know.
            sqe->PrepareRead(node.Descriptor, _count.Pointer, sizeof(ulong), 0);
        }
        else
        {
            sqe->PreparePollAdd(node.Descriptor, node.Watched);
        }

        sqe->UserData = (ulong)node.Slot;
        node.IsArmed = true;
        node.ArmedFor = node.Watched;
    }

    private unsafe void Cancel(FdNode node)
    {
        IoUringSqe* sqe = GetSqe();
        if (node.IsArmedAsRead)
        {
            sqe->PrepareCancel((ulong)node.Slot);
        }
        else
        {
            sqe->PreparePollRemove((ulong)node.Slot);
        }

        sqe->UserData = CancelTag;
    }

    // Reads of an eventfd that were cancelled end inside the kernel's deferred work: in this call or the next.
    private void FinishWhile(Func<bool> condition)
    {
        for (int tries = 0; condition(); tries++)
        {
            Finish(tries);
        }
    }

    /// <summary>
    /// The cancelled read usually ends in the next call. A signaller that the kernel (or a hypervisor) has stopped halfway
    /// holds it up for as long as that lasts, so after a few looks this sleeps, some seconds in all.
    /// </summary>
    private void Finish(int tries)
    {
        const int Looks = 10;
        const long SleepNs = 1_000_000;
        if (tries == Looks + MaxSleeps)
        {
            throw new PosixException(Errno.EBUSY, "io_uring: cancelling a read");
        }

        Enter(tries < Looks ? 0u : 1u, tries < Looks ? 0 : SleepNs);
        Reap();
    }
}
