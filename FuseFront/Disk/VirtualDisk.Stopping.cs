using RingCore.Posix;

namespace FuseFront.Disk;

/// <content>The end of the service: what is in flight finishes, if it can, and what was written becomes stable.</content>
public sealed partial class VirtualDisk
{
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan DrainNotice = TimeSpan.FromSeconds(1);

    /// <summary>For what was given up: it only has to pass through its queue's thread.</summary>
    private static readonly TimeSpan AbandonTimeout = TimeSpan.FromSeconds(10);

    private bool _isHurried;

    /// <summary>The disk is being closed: <see cref="Stop"/> runs, or has run.</summary>
    public bool IsStopping => _isStopped;

    /// <summary>
    /// While <see cref="Stop"/> waits for requests that hang in the device: waits no longer. They end with an I/O error, and what
    /// was acknowledged is made stable.
    /// </summary>
    public void Hurry() => _isHurried = true;

    /// <summary>
    /// Finishes what is in flight, makes everything stable, unmounts and ends the threads. Idempotent.
    /// </summary>
    /// <exception cref="IOException">Data could not be made stable; everything is cleaned up all the same.</exception>
    public void Stop()
    {
        if (_isStopped)
        {
            return;
        }

        _isStopped = true;
        bool isStable = false;
        try
        {
            bool isDrained = TryDrain();
            EndQueues();
            MakeStable(isDrained);
            isStable = true;
        }
        finally
        {
            try
            {
                TakeDown();
            }
            catch (IOException e) when (!isStable)
            {
                Log.Error("cleaning up: {0}", e.Message); // lost data is what the caller has to know
            }
            finally
            {
                _driver.Dispose();
            }
        }
    }

    public void Dispose() => Stop();

    /// <summary>
    /// Receives no more, and returns once nothing is in flight. The main loop goes on meanwhile, so that recovery works and the
    /// backend's end is noticed. Requests that do not come back in <see cref="DrainTimeout"/> are given up, so that the flush
    /// that follows has a device to go to. False when even that does not end them.
    /// </summary>
    private bool TryDrain()
    {
        foreach (FrontQueue queue in _queues)
        {
            queue.StopReceiving();
            queue.Hurry();
        }

        long start = Environment.TickCount64;
        long abandoned = 0;
        bool isTold = false;
        for (int left; (left = _queues.Sum(q => q.InFlight)) > 0;)
        {
            long now = Environment.TickCount64;
            long waited = now - start;
            if (abandoned != 0)
            {
                if (now - abandoned > AbandonTimeout.TotalMilliseconds)
                {
                    return false;
                }
            }
            else if (_isHurried || waited > DrainTimeout.TotalMilliseconds)
            {
                Log.Warn("requests still in flight after {1:0.0} s: {0}", left, waited / 1000.0);
                Abandon();
                abandoned = Environment.TickCount64;
            }
            else if (!isTold && waited > DrainNotice.TotalMilliseconds)
            {
                isTold = true;
                Log.Warn(
                    "requests hang in the device: {0}; waiting up to {1:0} s for them, 'vdisk fault clear' frees those that a fault rule holds",
                    left,
                    DrainTimeout.TotalSeconds);
            }

            _mainContext.Poll(blocking: false);
            Thread.Sleep(1); // Nothing signals the last of several replies; the end of a mount may take a millisecond.
        }

        return true;
    }

    /// <summary>
    /// Ends what is with the device. What waits at the range gate behind it must not take its place there: it ends too, when its
    /// turn comes.
    /// </summary>
    private void Abandon()
    {
        foreach (FrontQueue queue in _queues)
        {
            queue.RefuseWaiters();
        }

        _recovery.Abandon();
    }

    /// <summary>The last flush. A disk that never was written to has nothing to lose.</summary>
    private void MakeStable(bool isDrained)
    {
        if (Geometry.IsReadOnly || !Geometry.CanFlush || !_queues.Any(q => q.Disk.Statistics.HasChanges))
        {
            return;
        }

        string? obstacle = _failure ?? (isDrained ? null : "requests still hang in the device");
        if (obstacle != null)
        {
            throw new ProtocolException(
                $"the disk could not be flushed at its end: {obstacle}; what was written since the last fsync may be lost", Errno.EIO);
        }

        _driver.Flush(_queues[0].Driver, 0);
    }

    /// <summary>Unmounts and ends the threads, however far the start had come. Idempotent.</summary>
    private void TakeDown()
    {
        EndQueues();
        _session?.Dispose(); // after the queues: their descriptors may be what unmounting lacked
    }

    /// <summary>Nothing is received, watched or recovered any more.</summary>
    private void EndQueues()
    {
        _recovery.End();
        _mainContext.SetFdHandler(_transport.Connection, null);
        _mainContext.SetEventNotifier(_driver.ConfigIrq, null);
        if (_transport.RingErrors is { } ringErrors)
        {
            _mainContext.SetEventNotifier(ringErrors, null);
        }

        foreach (FrontQueue? queue in _queues)
        {
            queue?.Dispose();
        }
    }
}
