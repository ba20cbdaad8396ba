using RingCore.Posix;

namespace Backend.Device;

/// <summary>
/// One MSI-X vector: an edge. <see cref="Raise"/> may be called from any thread, takes no lock and makes one system
/// call, on the server's thread two. While the vector is masked or bound to nothing the edge is kept as its pending bit
/// (PCI 3.0 §6.8.2.10).
/// </summary>
public sealed class GuestNotifier : IrqLine
{
    // What Raise signals: the bound eventfd while not masked, else null.
    private EventFd? _armed;
    private int _pending;

    /// <summary>The bit in the pending bit array.</summary>
    public bool IsPending => Volatile.Read(ref _pending) != 0;

    /// <summary>Raises the interrupt. Any thread.</summary>
    public void Raise()
    {
        // Partner: the Volatile.Write in Rearm.
        EventFd? armed = Volatile.Read(ref _armed);
        if (armed is not null)
        {
            Signal(armed);
            return;
        }

        // Partner: Rearm publishes _armed, then takes _pending; we set _pending, then look at _armed again. Both are full
        // fences, so one of the two sees the other and the edge is not lost.
        Interlocked.Exchange(ref _pending, 1);
        armed = Volatile.Read(ref _armed);
        if (armed is not null && Interlocked.Exchange(ref _pending, 0) != 0)
        {
            Signal(armed);
        }
    }

    /// <inheritdoc/>
    public override void Trigger() => Raise();

    /// <inheritdoc/>
    public override void ClearPending() => Interlocked.Exchange(ref _pending, 0);

    /// <inheritdoc/>
    protected override void Rearm()
    {
        EventFd? armed = IsMasked ? null : Fd;
        Interlocked.Exchange(ref _armed, armed);

        // Partner: Raise, as told there.
        if (armed is not null && Interlocked.Exchange(ref _pending, 0) != 0)
        {
            Signal(armed);
        }
    }
}
