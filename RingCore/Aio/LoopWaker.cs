namespace RingCore.Aio;

/// <summary>
/// Wakes a loop that sleeps, and costs no system call while it is awake. The loop says that it is about to sleep and then
/// looks whether somebody notified it; a notifier says so and then looks whether the loop sleeps. With a full fence between
/// the two steps on both sides (Dekker), at least one of them sees the other, so no wake-up is lost.
/// </summary>
/// <remarks>
/// Whoever publishes work does that before <see cref="Notify"/>, and the loop looks for work after
/// <see cref="Acknowledge"/>: work whose notification was acknowledged has been seen.
/// </remarks>
internal sealed class LoopWaker : IDisposable
{
    private const int Awake = 0;
    private const int Asleep = 1;
    private const int BeingWoken = 2;
    private int _state;
    private int _notified;
    private int _signalling;

    internal EventNotifier Notifier { get; } = new();

    /// <summary>True from a notification until it is acknowledged.</summary>
    internal bool IsNotified => Volatile.Read(ref _notified) != 0; // pairs with the exchange in Notify

    /// <summary>Any thread.</summary>
    internal void Notify()
    {
        // A full fence: orders the published work and this flag before the look at _state. Pairs with TrySleep's exchange.
        Interlocked.Exchange(ref _notified, 1);
        if (Volatile.Read(ref _state) == Asleep) // pairs with the exchanges in TrySleep and Wake
        {
            Signal();
        }
    }

    /// <summary>The same for the loop's own thread, which is awake.</summary>
    internal void NotifyFromLoop() => Volatile.Write(ref _notified, 1); // pairs with IsNotified, on this same thread

    /// <summary>Loop only: takes the notification; whatever was published before it is visible after this.</summary>
    internal void Acknowledge()
    {
        if (IsNotified)
        {
            Interlocked.Exchange(ref _notified, 0); // a full fence; pairs with the exchange in Notify
        }
    }

    /// <summary>Loop only: announces sleep. False when there was a notification, and then the loop must not sleep.</summary>
    internal bool TrySleep()
    {
        Interlocked.Exchange(ref _state, Asleep); // a full fence before the look at _notified; pairs with Notify's exchange
        if (!IsNotified)
        {
            return true;
        }

        Wake();
        return false;
    }

    /// <summary>Loop only: the loop is awake again. True when a notification wrote, or is just writing, the eventfd.</summary>
    internal bool Wake() => Interlocked.Exchange(ref _state, Awake) == BeingWoken; // pairs with the compare-exchange in Signal

    /// <summary>The loop has ended for good. Late notifications are harmless.</summary>
    public void Dispose()
    {
        Interlocked.Exchange(ref _state, Awake); // a full fence; from here Signal's compare-exchange fails
        SpinWait spin = default;
        while (Volatile.Read(ref _signalling) != 0) // pairs with Signal's increment and decrement
        {
            spin.SpinOnce();
        }

        Notifier.Dispose();
    }

    private void Signal()
    {
        // Counted, so that Dispose does not close the descriptor between the decision to write it and the write.
        Interlocked.Increment(ref _signalling); // pairs with Dispose's wait
        if (Interlocked.CompareExchange(ref _state, BeingWoken, Asleep) == Asleep) // of many notifiers one writes; pairs with Wake
        {
            Notifier.Signal();
        }

        Interlocked.Decrement(ref _signalling); // pairs with Dispose's wait
    }
}
