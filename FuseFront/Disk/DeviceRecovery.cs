using FuseFront.Driver;
using NLog;
using RingCore.Aio;

namespace FuseFront.Disk;

/// <summary>
/// Brings a device back that has lost a request, broken a rule or asks for it: every queue is held, the device reset and put
/// into service as it was, and each request in flight is submitted again in its slot. Applications notice nothing but the
/// time. The main loop's thread, but for <see cref="IQueueTrouble"/>.
/// </summary>
internal sealed class DeviceRecovery : IQueueTrouble
{
    /// <summary>A request that has timed out so often, each time after a reset, ends with EIO: other requests may fare better.</summary>
    public const int MaxTimeouts = 3;

    /// <summary>A device that breaks the rules more often within <see cref="Window"/> is given up.</summary>
    public const int MaxBreaches = 5;

    public static readonly TimeSpan Window = TimeSpan.FromSeconds(60);

    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly BlkDriver _driver;
    private readonly AioContext _main;
    private readonly Queue<long> _breaches = new();
    private readonly Action<string> _giveUp;
    private bool _isOver;

    /// <param name="driver">The device.</param>
    /// <param name="main">The main loop.</param>
    /// <param name="giveUp">The device is beyond help, for this reason.</param>
    public DeviceRecovery(BlkDriver driver, AioContext main, Action<string> giveUp)
    {
        _driver = driver;
        _main = main;
        _giveUp = giveUp;
    }

    /// <summary>All queues, once they exist.</summary>
    public IReadOnlyList<FrontQueue> Queues { get; set; } = [];

    /// <summary>The device is at work again after a reset.</summary>
    public event Action? Recovered;

    /// <summary>Does nothing from now on: the device is gone, or the disk closed.</summary>
    public void End() => _isOver = true;

    /// <inheritdoc/>
    public void BrokeRule(FrontQueue queue, string rule)
    {
        int restarts = queue.Driver.Restarts;
        _main.ScheduleOneShot(() => RecoverFromBreach(restarts, $"queue {queue.Index}: the device broke a rule: {rule}"));
    }

    /// <inheritdoc/>
    public void IsLate(FrontQueue queue)
    {
        int restarts = queue.Driver.Restarts;
        _main.ScheduleOneShot(() =>
        {
            if (!IsOutdated(restarts))
            {
                RecoverFromLateness(queue.Index);
            }
        });
    }

    /// <summary>The device says that it needs a reset.</summary>
    public void AskedForReset() => RecoverFromBreach(_driver.Restarts, "the device asks for a reset");

    /// <summary>
    /// Nobody waits any longer for what is in flight: it ends with EIO, and the device, which has forgotten it, can be asked
    /// again. False when it is lost.
    /// </summary>
    public bool Abandon() => !_isOver && TryReset("giving up what is in flight", maxTimeouts: 0);

    /// <summary>What a queue saw before the latest reset is no news.</summary>
    private bool IsOutdated(int restarts) => _isOver || restarts != _driver.Restarts;

    private void RecoverFromBreach(int restarts, string reason)
    {
        if (IsOutdated(restarts))
        {
            return;
        }

        long now = Environment.TickCount64;
        _breaches.Enqueue(now);
        while (now - _breaches.Peek() > Window.TotalMilliseconds)
        {
            _breaches.Dequeue();
        }

        if (_breaches.Count > MaxBreaches)
        {
            GiveUp($"{reason}, the {MaxBreaches + 1}th time within {Window.TotalSeconds:0} s");
            return;
        }

        TryReset(reason, MaxTimeouts);
    }

    private void RecoverFromLateness(int queue)
    {
        int late = 0;
        foreach (FrontQueue held in Queues)
        {
            late += held.Hold();
        }

        if (late == 0)
        {
            // They have come back since. A queue that found a rule broken meanwhile has reported that, and stays held.
            foreach (FrontQueue held in Queues)
            {
                held.Release();
            }

            return;
        }

        TryReset($"queue {queue}: the device does not answer, late requests: {late}", MaxTimeouts);
    }

    private bool TryReset(string reason, int maxTimeouts)
    {
        foreach (FrontQueue queue in Queues)
        {
            queue.Hold();
        }

        Log.Warn("{0}; resetting it", reason);
        int again = 0;
        int ended = 0;
        try
        {
            _driver.Reset();
            foreach (FrontQueue queue in Queues)
            {
                queue.ClearRing();
            }

            _driver.Restart();
            for (int i = 0; i < Queues.Count; i++)
            {
                (int more, int lost) = Queues[i].Resume(_driver.Doorbells(i), maxTimeouts);
                again += more;
                ended += lost;
            }
        }
        catch (IOException e)
        {
            GiveUp($"{reason}, and it could not be reset: {e.Message}");
            return false;
        }

        Log.Warn("the device was reset; requests submitted again: {0}", again);
        if (ended > 0)
        {
            Log.Error("requests that end with an I/O error: {0}; {1}", ended, maxTimeouts == 0 ? "told to stop" : $"they timed out {maxTimeouts} times");
        }

        Recovered?.Invoke();
        return true;
    }

    private void GiveUp(string reason)
    {
        End();
        _giveUp(reason);
    }
}
