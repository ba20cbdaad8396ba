using RingCore.Aio;
using RingCore.Virtio;

namespace Backend.Device;

/// <content>One queue's way into service and out of it: its ring, its notifiers, its place on a context.</content>
public sealed partial class VirtioBlkDataPlane
{
    /// <summary>
    /// Starts one queue of a data plane that is started. False when its ring is no good or it cannot be opened (DEVICE_NEEDS_RESET
    /// is set), or when there is no descriptor left for its doorbell.
    /// </summary>
    internal bool StartQueue(VirtQueue queue)
    {
        if (!IsStarted || IsDisabled || _running.Any(q => q.Registers == queue))
        {
            throw new InvalidOperationException($"queue {queue.Index} cannot be started now");
        }

        if (CreateRings([queue]).Count == 0)
        {
            return false;
        }

        try
        {
            _bus.SetHostNotifier(queue, assign: true);
        }
        catch (IOException e)
        {
            VirtioBlk.Log.Error("queue {0} is not served: host notifier: {1}", queue.Index, e.Message);
            return false;
        }

        if (CreateQueue(queue) is not { } created)
        {
            return false;
        }

        _running.Add(created);
        Serve(created);
        return true;
    }

    /// <summary>Stops one queue, if it runs. Every request that it had taken has been answered when this returns.</summary>
    internal void StopQueue(VirtQueue queue)
    {
        VirtioBlkQueue? running = _running.Find(q => q.Registers == queue);
        if (running is not null)
        {
            Settle(() =>
            {
                StopServing([running]);
                _running.Remove(running);
            });
        }
    }

    private List<VirtQueue> CreateRings(IEnumerable<VirtQueue> wanted)
    {
        List<VirtQueue> queues = [];
        foreach (VirtQueue queue in wanted)
        {
            try
            {
                queue.Ring = new DeviceQueue(
                    queue.Size, queue.DescriptorTable, queue.AvailableRing, queue.UsedRing, _device.NegotiatedFeatures);
                if (!queue.Ring.TryMap(Transport.Memory.Current))
                {
                    throw new RingException("the ring is outside guest memory");
                }

                if (queue.Base is { } nextAvail)
                {
                    queue.Ring.TakeOver(nextAvail, queue.Inflight);
                }

                queues.Add(queue);
            }
            catch (RingException e)
            {
                VirtioBlk.Log.Error("queue {0} needs a reset: {1}", queue.Index, e.Message);
                queue.Ring = null;
                _device.SetNeedsReset();
            }
        }

        return queues;
    }

    /// <summary>Guest notifiers, then host notifiers one by one; a failure takes back what was bound, and answers false.</summary>
    private bool TryBindNotifiers(List<VirtQueue> queues)
    {
        try
        {
            Transport.SetGuestNotifiers(queues.Count, assign: true);
        }
        catch (IOException e)
        {
            VirtioBlk.Log.Error("data plane disabled: guest notifiers: {0}", e.Message);
            return false;
        }

        for (int i = 0; i < queues.Count; i++)
        {
            try
            {
                _bus.SetHostNotifier(queues[i], assign: true);
            }
            catch (IOException e)
            {
                VirtioBlk.Log.Error("data plane disabled: host notifier of queue {0}: {1}", queues[i].Index, e.Message);
                while (--i >= 0)
                {
                    UnbindDoorbell(queues[i]);
                }

                Transport.SetGuestNotifiers(queues.Count, assign: false);
                return false;
            }
        }

        return true;
    }

    private void UnbindDoorbell(VirtQueue queue)
    {
        _bus.SetHostNotifier(queue, assign: false);
        _bus.CleanUpHostNotifier(queue);
    }

    /// <summary>Opens the queue; null, with its doorbell unbound, when the image has no way in for it.</summary>
    private VirtioBlkQueue? CreateQueue(VirtQueue queue)
    {
        AioContext context = IsDisabled || _ioThreads.Count == 0 ? _mainContext : _ioThreads[queue.Index % _ioThreads.Count].Context;
        BlkQueueCounters counters = _counters[queue.Index] ??= new BlkQueueCounters();
        VirtioBlkQueue? created = null;
        try
        {
            RunOn(context, () =>
            {
                GuestNotifyBatch? batch = null;
                if (BatchNotifications && !_batches.TryGetValue(context, out batch))
                {
                    batch = new GuestNotifyBatch(context);
                    _batches.Add(context, batch);
                }

                created = new VirtioBlkQueue(_device, queue, context, Transport, batch, counters);
            });
        }
        catch (IOException e)
        {
            VirtioBlk.Log.Error("queue {0} is not served: {1}", queue.Index, e.Message);
            if (!IsDisabled)
            {
                UnbindDoorbell(queue);
            }

            _device.SetNeedsReset();
        }

        return created;
    }

    /// <summary>
    /// Hooks the queue to its doorbell, and serves what was made available before that, or while nobody was listening.
    /// </summary>
    private void Serve(VirtioBlkQueue queue) => RunOn(queue.Context, () =>
    {
        queue.TakeAgain();
        if (!IsDisabled)
        {
            queue.Registers.AttachHostNotifier(queue.Context, queue.Serve, () => queue.HasWork);
        }

        queue.Serve();
    });

    /// <summary>Takes all of that back, last queue first, once no request is in flight.</summary>
    private void StopServing(IReadOnlyList<VirtioBlkQueue> queues)
    {
        if (!IsDisabled)
        {
            foreach (VirtioBlkQueue queue in queues)
            {
                RunOn(queue.Context, () => queue.Registers.DetachHostNotifier(queue.Context));
            }
        }

        Quiesce(queues);
        for (int i = queues.Count - 1; i >= 0; i--)
        {
            VirtioBlkQueue queue = queues[i];
            RunOn(queue.Context, queue.Dispose);
            if (!IsDisabled)
            {
                UnbindDoorbell(queue.Registers);
            }

            PlaceQueue(queue.Index, PlacementHint.Anywhere); // The next driver may wish otherwise.
        }
    }

    /// <summary>Returns when none of the queues takes requests and none has any in flight.</summary>
    private void Quiesce(IReadOnlyList<VirtioBlkQueue> queues)
    {
        int busy = queues.Count;
        ManualResetEventSlim quiet = new(busy == 0); // Never disposed, as in RunOn.
        foreach (VirtioBlkQueue queue in queues)
        {
            RunOn(queue.Context, () => queue.Quiesce(() =>
            {
                if (Interlocked.Decrement(ref busy) == 0) // Partner: the other contexts' decrements.
                {
                    quiet.Set();
                }
            }));
        }

        // Queues of the main loop complete only if this thread, which is the main loop's, runs it meanwhile.
        _mainContext.DisableExternal();
        try
        {
            while (!quiet.IsSet && queues.Any(q => q.Context == _mainContext))
            {
                _mainContext.Poll(blocking: true);
            }
        }
        finally
        {
            _mainContext.EnableExternal();
        }

        WaitFor(quiet);
    }
}
