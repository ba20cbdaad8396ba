using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>
/// Has IOThreads run where the driver would have its queues served, and busy-poll where that is worth it. Only hints: a CPU
/// that this process may not use is ignored, and the last word counts where queues share an IOThread. The server's thread.
/// </summary>
/// <param name="pollMaxNs">
/// Longest busy-poll in nanoseconds of a thread that roams or is placed beside a queue's driver. Null: <see cref="BesidePollNs"/>
/// beside it, and none elsewhere.
/// </param>
internal sealed class IoThreadPlacement(IReadOnlyList<IoThread> ioThreads, long? pollMaxNs)
{
    /// <summary>Longer than an application and a driver take from one request's end to the next, where both run on one CPU.</summary>
    internal const long BesidePollNs = 50_000;

    /// <summary>A thread that polls is interrupted at once by whoever else is woken on its CPU, and has shorter slices.</summary>
    private const long PoliteSliceNs = 100_000_000;

    private readonly int[] _allowedCpus = ThreadScheduling.GetAffinity();

    /// <summary>Follows a hint about queue <paramref name="index"/>.</summary>
    public void Place(int index, PlacementHint hint)
    {
        if (ioThreads.Count == 0 || CpusFor(hint) is not { Length: > 0 } cpus)
        {
            return;
        }

        IoThread thread = ioThreads[index % ioThreads.Count];
        int errno = ThreadScheduling.TrySetAffinity(cpus, thread.ThreadId);
        if (errno != 0)
        {
            VirtioBlk.Log.Debug("queue {0} cannot be placed {1}: {2}", index, hint, Errno.Name(errno));
            return;
        }

        // On the application's CPU polling would only keep the application from it. Beside it polling does not learn: what waits
        // for a thread that sleeps takes so long that it would never begin. The driver withdraws the hint where it does not pay.
        long longest = hint.Kind == PlacementKind.On ? 0 : pollMaxNs ?? (hint.Kind == PlacementKind.Beside ? BesidePollNs : 0);
        _ = ThreadScheduling.TrySetSlice(hint.Kind == PlacementKind.Beside ? PoliteSliceNs : 0, thread.ThreadId); // polls all the same
        thread.Context.PollMaxNs = longest;
        thread.Context.PollMinNs = hint.Kind == PlacementKind.Beside ? longest : 0;
    }

    private int[] CpusFor(PlacementHint hint) => hint.Kind switch
    {
        PlacementKind.Anywhere => _allowedCpus,
        PlacementKind.Beside => Array.FindAll(_allowedCpus, cpu => cpu != hint.Cpu),
        _ => Array.FindAll(_allowedCpus, cpu => cpu == hint.Cpu),
    };
}
