using FuseFront.Driver;
using NLog;
using RingCore.Aio;

namespace FuseFront.Disk;

/// <summary>
/// One queue's request timeout. A clock ticks four times in a timeout while requests are with the device, and each request
/// counts the ticks that it has seen:
/// <list type="bullet">
/// <item>completions that lie in the ring from one tick to the next were announced by nobody: an irq is lost, they are taken;</item>
/// <item>a request that is older than the timeout has the ring looked at, and the doorbell rung once more, wanted or not;</item>
/// <item>half a timeout later there is nothing left but to reset the device: <see cref="IQueueTrouble.IsLate"/>.</item>
/// </list>
/// A request costs nothing for this: its tick count lies in the word that says that it is with the device. The clock is a timer
/// of the main loop, so that the queue's own loop computes no time limit for its sleeps, and it is armed only while something
/// is in flight: an idle disk wakes nobody. Queue's thread, but for the constructor.
/// </summary>
internal sealed class RequestWatch : IDisposable
{
    /// <summary>Ticks counted after which a request has certainly lived through a whole timeout.</summary>
    public const int KickTicks = TicksPerTimeout + 1;

    /// <summary>The same for one and a half.</summary>
    public const int ResetTicks = KickTicks + (TicksPerTimeout / 2);

    private const int TicksPerTimeout = 4;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly int _index;
    private readonly BlkQueue _driver;
    private readonly Action _complete;
    private readonly Action _late;
    private readonly TimeSpan _tick;
    private readonly AioTimer _clock;
    private readonly BottomHalf _ticked;
    private readonly Action _start;
    private long _seenCompletions = -1;
    private bool _isReported;

    /// <param name="index">The queue's.</param>
    /// <param name="driver">What is watched.</param>
    /// <param name="timeout">Above 0.</param>
    /// <param name="main">Where the clock ticks.</param>
    /// <param name="own">The queue's own loop.</param>
    /// <param name="complete">Takes what the ring holds.</param>
    /// <param name="late">A request has seen <see cref="ResetTicks"/>; once until <see cref="Restarted"/>.</param>
    public RequestWatch(
        int index, BlkQueue driver, TimeSpan timeout, AioContext main, AioContext own, Action complete, Action late)
    {
        _index = index;
        _driver = driver;
        _complete = complete;
        _late = late;
        _tick = timeout / TicksPerTimeout;
        _ticked = own.CreateBottomHalf(Tick, "request timeout");
        _clock = main.CreateTimer(_ticked.Schedule);
        _start = Start;
        driver.NotifyOfNextBatch(_start);
    }

    /// <summary>The clock ticks: something is in flight, or was a moment ago. For tests.</summary>
    internal bool IsClockArmed { get; private set; }

    /// <summary>The device has been reset, or need not be: lateness is reported anew.</summary>
    public void Restarted() => _isReported = false;

    /// <summary>Watches no more.</summary>
    public void Dispose()
    {
        _driver.NotifyOfNextBatch(null);
        _clock.Dispose();
        _ticked.Dispose();
    }

    private void Start()
    {
        _seenCompletions = -1;
        IsClockArmed = true;
        _clock.Arm(_tick);
    }

    private void Tick()
    {
        int most = _driver.Tick();
        if (most == 0)
        {
            IsClockArmed = false;
            _driver.NotifyOfNextBatch(_start); // Idle: the clock stands still until then.
            return;
        }

        _clock.Arm(_tick);
        if (!_driver.IsServing)
        {
            return; // The device is being reset.
        }

        TakeUnannounced();
        if (most >= KickTicks && _driver.CountAged(KickTicks, KickTicks) is > 0 and int late)
        {
            KickAgain(late);
        }

        if (most >= ResetTicks && !_isReported && _driver.CountAged(ResetTicks) > 0)
        {
            _isReported = true;
            _late();
        }
    }

    /// <summary>
    /// Every round of the queue's loop takes what irqs announce before it runs this. So what was there a tick ago, and still is
    /// the next to be taken, has been announced by none.
    /// </summary>
    private void TakeUnannounced()
    {
        long completions = _driver.Statistics.Completions;
        if (!_driver.HasCompletions)
        {
            _seenCompletions = -1;
        }
        else if (_seenCompletions != completions)
        {
            _seenCompletions = completions;
        }
        else
        {
            _seenCompletions = -1;
            _driver.Statistics.LostIrqs++;
            _complete();
            Log.Warn("queue {0}: an interrupt was lost; completions found in the ring: {1}", _index, _driver.Statistics.Completions - completions);
        }
    }

    private void KickAgain(int late)
    {
        _complete();
        if (_driver.IsServing && _driver.CountAged(KickTicks) > 0)
        {
            Log.Warn("queue {0}: late requests: {1}; kicking again", _index, late);
            _driver.KickAgain();
        }
    }
}
