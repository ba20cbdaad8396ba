using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>
/// Has IOThreads run where the driver would have its queues served, and busy-poll where that is worth it. Only hints: a CPU
/// that this process may not use is ignored, and the last word counts where queues share an IOThread. The server's thread.
/// </summary>
/// <param name="queues">Those that the threads share: one that is shared is polled for none, since another queue may not want it.</param>
/// <param name="pollMaxNs">
/// Longest busy-poll in nanoseconds of a thread that roams or is placed beside a queue's driver. Null: <see cref="BesidePollNs"/>
/// beside it, and none elsewhere.
/// </param>
internal sealed class IoThreadPlacement(IReadOnlyList<IoThread> ioThreads, int queues, long? pollMaxNs)
{
    /// <summary>Longer than an application and a driver take from one request's end to the next, where both run on one CPU.</summary>
    internal const long BesidePollNs = 50_000;

    /// <summary>A thread that polls is interrupted at once by whoever else is woken on its CPU, and has shorter slices.</summary>
    private const long PoliteSliceNs = 100_000_000;

    private readonly int[] _allowedCpus = ThreadScheduling.GetAffinity();

    private bool IsOneToAQueue => ioThreads.Count >= queues;

    /// <summary>Follows a hint about queue <paramref name="index"/>.</summary>
    public void Place(int index, PlacementHint hint)
    {
        if (ioThreads.Count == 0)
        {
            return;
        }

        IoThread thread = ioThreads[index % ioThreads.Count];
        bool isThere = false;
        if (CpusFor(hint) is { Length: > 0 } cpus)
        {
            int errno = ThreadScheduling.TrySetAffinity(cpus, thread.ThreadId);
            isThere = errno == 0;
            if (!isThere)
            {
                VirtioBlk.Log.Debug("queue {0} cannot be placed {1}: {2}", index, hint, Errno.Name(errno));
            }
        }

        // What it polled before ends in any case: the driver that watched over it no longer does.
        Poll(thread, hint.Kind == PlacementKind.Beside && !(isThere && IsOneToAQueue) ? PlacementKind.On : hint.Kind);
    }

    /// <summary>
    /// On the application's CPU polling would only keep the application from it. Beside it polling does not learn: what waits for
    /// a thread that sleeps takes so long that it would never begin. The driver withdraws the hint where it does not pay.
    /// </summary>
    private void Poll(IoThread thread, PlacementKind kind)
    {
        bool isBeside = kind == PlacementKind.Beside;
        long longest = kind == PlacementKind.On ? 0 : pollMaxNs ?? (isBeside ? BesidePollNs : 0);
        thread.Context.PollMaxNs = longest;
        thread.Context.PollMinNs = isBeside ? Math.Min(longest, BesidePollNs) : 0;
        _ = ThreadScheduling.TrySetSlice(isBeside ? PoliteSliceNs : 0, thread.ThreadId); // polls all the same
    }

    private int[] CpusFor(PlacementHint hint) => hint.Kind switch
    {
        PlacementKind.Anywhere => _allowedCpus,
        PlacementKind.Beside => Array.FindAll(_allowedCpus, cpu => cpu != hint.Cpu),
        _ => Array.FindAll(_allowedCpus, cpu => cpu == hint.Cpu),
    };
}
