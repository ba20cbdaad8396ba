namespace RingCore.Aio;

/// <summary>A one-shot timer on CLOCK_MONOTONIC.</summary>
public sealed class AioTimer : IDisposable
{
    private readonly AioContext _context;

    internal AioTimer(AioContext context, Action callback)
    {
        _context = context;
        Callback = callback;
    }

    internal Action Callback { get; }

    /// <summary>When it fires, in nanoseconds of <see cref="MonotonicClock"/>. This and the next two belong to <see cref="TimerQueue"/>'s lock.</summary>
    internal long Due { get; set; }

    /// <summary>Order of arming, among timers of the same time.</summary>
    internal long Sequence { get; set; }

    internal bool IsArmed { get; set; }

    internal bool IsDisposed { get; private set; }

    /// <summary>(Re-)arms to fire once after <paramref name="delay"/> (negative counts as zero); any thread.</summary>
    public void Arm(TimeSpan delay)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        const long MaxDelay = long.MaxValue / 4; // 73 years: keeps the sum with the clock from overflowing
        long ns = delay <= TimeSpan.Zero ? 0 : delay.Ticks > MaxDelay / 100 ? MaxDelay : delay.Ticks * 100;
        if (_context.Timers.Arm(this, MonotonicClock.Nanoseconds + ns))
        {
            _context.NotifyIfElsewhere();
        }
    }

    /// <summary>Takes the arming back. The callback may be running when another thread than the loop's calls this.</summary>
    public void Cancel() => _context.Timers.Cancel(this);

    /// <summary>Cancels for good; safe from inside the callback and from any thread.</summary>
    public void Dispose()
    {
        IsDisposed = true;
        Cancel();
    }
}
