namespace RingCore.Aio;

/// <summary>Counters of a context, written by its own thread only; readers see slightly old values.</summary>
public sealed class AioStatistics
{
    /// <summary>Rounds, whatever they did.</summary>
    public long Rounds;

    /// <summary>Rounds that waited in the kernel.</summary>
    public long Sleeps;

    /// <summary>Busy-polls that found something.</summary>
    public long PollHits;

    /// <summary>Busy-polls that found nothing in their time.</summary>
    public long PollMisses;

    /// <summary>Sleeps that <see cref="AioContext.Notify"/> ended, with one write to the eventfd each.</summary>
    public long Wakeups;
}
