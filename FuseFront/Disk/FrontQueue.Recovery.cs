using RingCore.Aio;

namespace FuseFront.Disk;

/// <content>
/// The request timeout, and what a queue does while the device is reset. Called by the main loop's thread, which waits for this
/// queue's.
/// </content>
internal sealed partial class FrontQueue
{
    private RequestWatch? _watch;

    /// <summary>Has requests that the device does not answer noticed; before <see cref="Start"/>.</summary>
    /// <param name="timeout">Above 0.</param>
    /// <param name="main">The main loop.</param>
    public void WatchRequests(TimeSpan timeout, AioContext main) => Context.Invoke(() =>
        _watch = new RequestWatch(Index, Driver, timeout, main, Context, Complete, () => _trouble.IsLate(this)));

    /// <summary>
    /// Takes what has come back, and has nothing to do with the device from then on. Returns how many requests are late.
    /// </summary>
    public int Hold()
    {
        int late = 0;
        Context.Invoke(() =>
        {
            Complete();
            Driver.Hold();
            late = Driver.CountAged(RequestWatch.ResetTicks);
        });
        return late;
    }

    /// <summary>Takes <see cref="Hold"/> back: no reset was needed.</summary>
    public void Release() => Context.Invoke(() =>
    {
        _watch?.Restarted();
        Driver.Release();
        Complete();
    });

    /// <summary>The device has been reset, and does not know the ring yet.</summary>
    public void ClearRing() => Context.Invoke(Driver.ClearRing);

    /// <summary>The device runs again. Returns how many requests it got a second time, and how many have ended with EIO.</summary>
    public (int Again, int Ended) Resume(IReadOnlyList<Action> doorbells, int maxTimeouts)
    {
        (int Again, int Ended) counts = default;
        Context.Invoke(() =>
        {
            _watch?.Restarted();
            counts = Driver.Resume(doorbells, RequestWatch.ResetTicks, maxTimeouts);
            Complete();
        });
        return counts;
    }

    /// <summary>Receives no more.</summary>
    public void StopReceiving() => Channel?.Stop();

    /// <summary>From now on an operation that has waited at the range gate ends with EIO when it is let in.</summary>
    public void RefuseWaiters() => Context.Invoke(Disk.RefuseWaiters);

    /// <summary>Requests in flight.</summary>
    public int InFlight
    {
        get
        {
            int inFlight = 0;
            Context.Invoke(() => inFlight = Channel?.InFlight ?? 0);
            return inFlight;
        }
    }

    /// <summary>Nobody will wait long for what is in flight: it had better not wait for a kick or an irq that was lost.</summary>
    public void Hurry() => Context.Invoke(() =>
    {
        Complete();
        if (Driver.IsServing && Driver.Outstanding > 0)
        {
            Driver.KickAgain();
        }
    });
}
