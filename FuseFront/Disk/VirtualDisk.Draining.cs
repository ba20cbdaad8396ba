namespace FuseFront.Disk;

/// <content>The end of the service: what is in flight finishes, if it can.</content>
public sealed partial class VirtualDisk
{
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan DrainNotice = TimeSpan.FromSeconds(1);
    private bool _isHurried;

    /// <summary>The disk is being closed: <see cref="Stop"/> runs, or has run.</summary>
    public bool IsStopping => _isStopped;

    /// <summary>
    /// While <see cref="Stop"/> waits for requests that hang in the device: waits no longer. They end with an I/O error, and what
    /// was acknowledged is made stable.
    /// </summary>
    public void Hurry() => _isHurried = true;

    /// <summary>
    /// Receives no more, and returns once nothing is in flight. The main loop goes on meanwhile, so that recovery works and the
    /// backend's end is noticed. Requests that do not come back in <see cref="DrainTimeout"/> are given up, so that the flush
    /// that follows has a device to go to. False when even that is impossible.
    /// </summary>
    private bool TryDrain()
    {
        foreach (FrontQueue queue in _queues)
        {
            queue.StopReceiving();
            queue.Hurry();
        }

        long start = Environment.TickCount64;
        bool isTold = false;
        for (int left; (left = _queues.Sum(q => q.InFlight)) > 0;)
        {
            long waited = Environment.TickCount64 - start;
            if (_isHurried || waited > DrainTimeout.TotalMilliseconds)
            {
                Log.Warn("requests still with the device after {1:0.0} s: {0}", left, waited / 1000.0);
                return _recovery.Abandon() && _queues.Sum(q => q.InFlight) == 0;
            }

            if (!isTold && waited > DrainNotice.TotalMilliseconds)
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
}
