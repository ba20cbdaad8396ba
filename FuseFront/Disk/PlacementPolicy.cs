namespace FuseFront.Disk;

/// <summary>Where a queue's two threads had better run, seen from the CPU that its requests come from.</summary>
internal enum Placement
{
    /// <summary>Wherever the kernel likes: large payloads are copied by the front and the device at once, on different CPUs.</summary>
    Anywhere,

    /// <summary>Both on the application's CPU: no wake-up crosses CPUs, and what one has written is in the next one's cache.</summary>
    Together,

    /// <summary>
    /// The front with the application, the device on any other CPU, where it looks for work a little while before it sleeps; the
    /// front looks for the answer as well. A shallow stream's requests then take no wake-up at all between front and device. For
    /// as long as a CPU is idle: <see cref="QueuePlacement"/> finds out.
    /// </summary>
    Beside,

    /// <summary>
    /// The device with the application, the front on a CPU of its own, where it looks for work a little while before it sleeps: a
    /// deep stream of small requests is work for two CPUs, and the front neither wakes nor keeps waiting anybody on its own.
    /// </summary>
    Apart,

    /// <summary>
    /// Apart, and the queue's twin, which the device serves on the front's CPU, takes a part of the requests: neither CPU waits for
    /// the other, and nobody looks for work.
    /// </summary>
    Spread,
}

/// <summary>What a queue has seen since its beginning.</summary>
/// <param name="Requests">Answered.</param>
/// <param name="Bytes">Theirs.</param>
/// <param name="WakeUps">Kicks sent and irqs received.</param>
internal readonly record struct QueueTotals(long Requests, long Bytes, long WakeUps);

/// <summary>What a queue has seen since the last look.</summary>
/// <param name="Requests">Answered.</param>
/// <param name="Bytes">Theirs.</param>
/// <param name="Depth">Most requests in flight at the end of a round.</param>
/// <param name="OtherRequests">Answered by the disk's other queues.</param>
/// <param name="IsFromOneThread">As far as it was noticed, one thread of an application asked for all of them.</param>
internal readonly record struct QueueLoad(long Requests, long Bytes, int Depth, long OtherRequests, bool IsFromOneThread);

/// <summary>How far placement goes (<c>--affinity</c>).</summary>
public enum Affinity
{
    /// <summary>By load.</summary>
    Auto,

    /// <summary>Queue n stays on the n-th CPU that may be used, on both sides.</summary>
    Cpu,

    /// <summary>The kernel's scheduler decides.</summary>
    None,
}

/// <summary>
/// Decides placement by load. The thresholds are measured (docs/performance.md): a wake-up across CPUs costs ten times one
/// on the same CPU, which only copying outweighs, or a queue so deep that its threads hardly sleep.
/// </summary>
internal static class PlacementPolicy
{
    /// <summary>Mean bytes of a request from which on copying, not waking, is what costs.</summary>
    private const long LargeRequest = 64 * 1024;

    /// <summary>Requests in flight from which on it pays to have the application's CPU rid of the front.</summary>
    private const int Deep = 20;

    /// <summary>The same where a twin takes a part of them.</summary>
    private const int DeepWithTwin = 12;

    /// <summary>With more than one in so many requests on other queues, these need the other CPUs themselves.</summary>
    private const long AloneFactor = 8;

    /// <summary>Too few requests to learn anything from.</summary>
    private const long TooFew = 8;

    /// <summary>The placement for what was seen; <paramref name="current"/> where that says nothing.</summary>
    /// <param name="mayPoll">Threads may look for work before they sleep.</param>
    /// <param name="maxDepthBeside">Most requests in flight for <see cref="Placement.Beside"/>; 0 when it is impossible, or has failed lately.</param>
    /// <param name="hasTwin"><see cref="Placement.Spread"/> is possible.</param>
    public static Placement Decide(in QueueLoad load, Placement current, bool mayPoll, int maxDepthBeside, bool hasTwin)
    {
        if (load.Requests < TooFew && load.Bytes < TooFew * LargeRequest)
        {
            return current;
        }

        if (load.Bytes / load.Requests >= LargeRequest)
        {
            return Placement.Anywhere;
        }

        // Several threads would use the other CPUs themselves, sooner or later.
        bool isAlone = load.IsFromOneThread && load.OtherRequests * AloneFactor < load.Requests;
        return !isAlone ? Placement.Together
            : load.Depth >= DeepWithTwin && hasTwin ? Placement.Spread
            : load.Depth >= Deep ? (mayPoll ? Placement.Apart : Placement.Together)
            : mayPoll && load.Depth <= maxDepthBeside ? Placement.Beside
            : Placement.Together;
    }
}
