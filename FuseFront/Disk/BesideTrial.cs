using System.Diagnostics;

namespace FuseFront.Disk;

/// <summary>What became of a <see cref="BesideTrial"/>.</summary>
internal enum TrialVerdict
{
    /// <summary>Too early to tell.</summary>
    Open,

    Works,

    Fails,
}

/// <summary>
/// Whether <see cref="Placement.Beside"/> does what it is for. It does not when front and device still have to wake each other (the
/// stream pauses, the medium is slow), or when the device has to wait for its CPU (something else runs there): then requests take
/// as long as a time slice, hundreds of times what they should. Two windows in a row have to show it: now and then something runs for
/// some milliseconds everywhere. Times are of <see cref="Stopwatch"/>.
/// </summary>
internal sealed class BesideTrial
{
    private const int WindowMs = 20;
    private const int EnoughRequests = 16;

    /// <summary>One wake-up in so many requests is one too many.</summary>
    private const int RequestsPerWakeUp = 4;

    /// <summary>So much of the time may be lost to stalls, as one part of it.</summary>
    private const int StalledPart = 4;

    private static readonly long WindowTicks = Stopwatch.Frequency / 1000 * WindowMs;

    /// <summary>A request that takes longer than half a millisecond has waited for something: for a CPU, for a disk …</summary>
    private static readonly long StallTicks = Stopwatch.Frequency / 2000;

    /// <summary>… or for those before it, if they take longer than 50 µs each.</summary>
    private static readonly long OtherRequestTicks = Stopwatch.Frequency / 20_000;

    private long _since;
    private QueueTotals _start;
    private long _stalled;
    private bool _hasFailed;

    /// <summary>The trial begins, or begins anew.</summary>
    public void Begin(long now, in QueueTotals totals)
    {
        _since = now;
        _start = totals;
        _stalled = 0;
        _hasFailed = false;
    }

    /// <summary>One look at the queue.</summary>
    /// <param name="totals">Its totals so far.</param>
    /// <param name="longestTicks">The longest that a request took since the last look. Requests in flight at once wait for the same thing: that counts once.</param>
    /// <param name="depth">Most requests in flight meanwhile.</param>
    public TrialVerdict Look(long now, in QueueTotals totals, long longestTicks, int depth)
    {
        _stalled += longestTicks > StallTicks + (depth * OtherRequestTicks) ? longestTicks : 0;
        long requests = totals.Requests - _start.Requests;
        bool isStalled = _stalled * StalledPart > now - _since;
        if (now - _since < WindowTicks || (requests < EnoughRequests && !isStalled))
        {
            return TrialVerdict.Open;
        }

        bool wakes = (totals.WakeUps - _start.WakeUps) * RequestsPerWakeUp > requests;
        bool hasFailedBefore = _hasFailed;
        Begin(now, totals);
        _hasFailed = isStalled || wakes;
        return !_hasFailed ? TrialVerdict.Works : hasFailedBefore ? TrialVerdict.Fails : TrialVerdict.Open;
    }
}
