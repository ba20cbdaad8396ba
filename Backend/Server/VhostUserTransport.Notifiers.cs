using RingCore.Aio;

namespace Backend.Server;

/// <content>Doorbells and interrupts are the front-end's own eventfds. A ring without a kick is looked at time and again.</content>
public sealed partial class VhostUserTransport
{
    /// <summary>
    /// How often. A front-end that asks for polling gives up the wake-up, not the CPU: the loop sleeps in between.
    /// </summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromMicroseconds(100);

    /// <inheritdoc/>
    public void SetGuestNotifiers(int count, bool assign)
    {
        // They are there from the start: VhostUserRing.Call keeps what comes before the front-end's eventfd.
    }

    /// <inheritdoc/>
    public EventNotifier? TakeHostNotifier(int index) =>
        _rings[index].Kick is { } kick ? new EventNotifier(kick.Duplicate(), isEventFd: true) : null;

    /// <inheritdoc/>
    public void AssignIoEventFd(int index, EventNotifier notifier, bool assign)
    {
        if (!assign)
        {
            _polled.Remove(index);
        }
        else if (_rings[index].Kick is null)
        {
            _polled[index] = notifier;
            _pollTimer.Arm(PollInterval);
        }
    }

    /// <inheritdoc/>
    public void NotifyQueue(int index) => _rings[index].Call.Raise();

    /// <inheritdoc/>
    public void NotifyQueueBroken(int index) => _rings[index].Error.Raise();

    /// <inheritdoc/>
    public void FreeStuckThreads()
    {
        _retired.FreeStuckThreads();
        foreach (VhostUserRing ring in _rings)
        {
            ring.Call.FreeStuckThread();
            ring.Error.FreeStuckThread();
        }
    }

    /// <inheritdoc/>
    public void NotifyConfig()
    {
        // Nothing in the configuration changes, and DEVICE_NEEDS_RESET is read by GET_STATUS.
    }

    private void PollRings()
    {
        foreach (EventNotifier notifier in _polled.Values)
        {
            notifier.Signal();
        }

        if (_polled.Count > 0)
        {
            _pollTimer.Arm(PollInterval);
        }
    }
}
