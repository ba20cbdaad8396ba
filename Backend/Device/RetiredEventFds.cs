using RingCore.Posix;

namespace Backend.Device;

/// <summary>
/// Eventfds that interrupt lines were bound to until just now, which data-path threads may still be about to signal. Server's
/// thread only.
/// </summary>
internal sealed class RetiredEventFds
{
    private readonly List<(IrqLine Line, EventFd Fd)> _retired = [];

    /// <summary>Takes over what <see cref="IrqLine.Assign"/> has replaced.</summary>
    internal void Add(IrqLine line, EventFd? replaced)
    {
        if (replaced is not null)
        {
            _retired.Add((line, replaced));
        }
    }

    /// <summary>Frees the threads that hang on one of them.</summary>
    internal void FreeStuckThreads() => _retired.ForEach(r => IrqLine.FreeStuckThread(r.Fd));

    /// <summary>Closes them after a grace period.</summary>
    /// <param name="device">Whose threads signal them.</param>
    /// <param name="keepEdges">
    /// An edge that the client has not fetched moves on to what its line is bound to now. From a client that fetches none, as ours, that
    /// is one interrupt too many.
    /// </param>
    internal void Close(IVirtioDevice device, bool keepEdges)
    {
        if (_retired.Count == 0)
        {
            return;
        }

        device.Synchronize();
        foreach ((IrqLine line, EventFd fd) in _retired)
        {
            // Only now: until the grace period has passed, edges may still have come in.
            if (keepEdges && fd.TestAndClear())
            {
                line.Trigger();
            }

            fd.Dispose();
        }

        _retired.Clear();
    }
}
