namespace RingCore.Aio;

/// <summary>
/// How long to busy-poll before sleeping, learnt from how long the loop had to wait: worth it when the wait is short, a waste
/// when it is long. Belongs to the loop; <see cref="MaxNs"/> and
/// <see cref="MinNs"/> may be changed by any thread.
/// </summary>
internal sealed class AdaptivePolling(long maxNs, long grow, long shrink)
{
    /// <summary>Where growing starts.</summary>
    internal const long FirstNs = 4_000;

    private const long DefaultGrow = 2;
    private readonly long _grow = grow == 0 ? DefaultGrow : grow;
    private long _maxNs = maxNs;
    private long _minNs;

    /// <summary>The bound in nanoseconds; 0 never polls.</summary>
    internal long MaxNs
    {
        get => Volatile.Read(ref _maxNs); // pairs with the setter
        set => Volatile.Write(ref _maxNs, value); // pairs with the getter
    }

    /// <summary>What the polling time never shrinks below, whatever was learnt, in nanoseconds; <see cref="MaxNs"/> bounds it too.</summary>
    internal long MinNs
    {
        get => Volatile.Read(ref _minNs); // pairs with the setter
        set => Volatile.Write(ref _minNs, value); // pairs with the getter
    }

    /// <summary>The present polling time in nanoseconds, never above <see cref="MaxNs"/>.</summary>
    internal long TimeNs { get; private set; }

    /// <summary>Brings the time within the bounds, which may have been changed, and returns it.</summary>
    internal long Bound(long maxNs) => TimeNs = Math.Min(Math.Max(TimeNs, MinNs), maxNs);

    /// <summary>Learns from a wait (polling included) of <paramref name="waitedNs"/>.</summary>
    internal void Learn(long waitedNs, long maxNs)
    {
        if (waitedNs <= TimeNs)
        {
            return; // polling caught it: the time is right
        }

        if (waitedNs > maxNs)
        {
            TimeNs = shrink == 0 ? 0 : TimeNs / shrink; // no polling that is allowed would have caught it
        }
        else if (TimeNs < maxNs)
        {
            long grown = TimeNs == 0 ? FirstNs : TimeNs > maxNs / _grow ? maxNs : TimeNs * _grow;
            TimeNs = Math.Min(grown, maxNs);
        }
    }
}
