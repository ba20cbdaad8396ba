using RingCore.Posix;

namespace Backend.Device;

/// <summary>
/// The INTx pin: a level, high while the ISR status register is not zero (virtio 1.3 §4.1.4.5). The eventfd is signalled when
/// the level rises, and again when the client ends the interrupt (UNMASK, or its end-of-interrupt eventfd) while it is still
/// high. <see cref="Assert"/> may be called from any thread, without a lock.
/// </summary>
public sealed class IntxLine : IrqLine
{
    // What a rising level signals: the bound eventfd while the pin is connected and not masked, else null.
    private EventFd? _armed;
    private int _isr;
    private bool _connected = true;

    /// <summary>The ISR status register without the side effect of reading it.</summary>
    public int Isr => Volatile.Read(ref _isr);

    /// <summary>Sets bits of the ISR status register. Any thread.</summary>
    public void Assert(int bits)
    {
        // Partner: Rearm publishes _armed, then looks at _isr; we set _isr (a full fence), then look at _armed.
        if (Interlocked.Or(ref _isr, bits) == 0)
        {
            Trigger();
        }
    }

    /// <summary>The driver reads the ISR status register, which drops the level.</summary>
    // Partner: Assert, which raises the level anew when it finds zero.
    public int ReadIsr() => Interlocked.Exchange(ref _isr, 0);

    /// <summary>Whether the pin is used at all: not while COMMAND disables it or MSI-X is in use.</summary>
    public void SetConnected(bool connected)
    {
        if (_connected != connected)
        {
            _connected = connected;
            Rearm();
        }
    }

    /// <summary>The client has seen the interrupt to its end: one more if the level is still high.</summary>
    public void EndOfInterrupt() => SetMasked(false);

    /// <inheritdoc/>
    public override void Trigger()
    {
        // Partner: the exchange in Rearm.
        if (Volatile.Read(ref _armed) is { } armed)
        {
            Signal(armed);
        }
    }

    /// <inheritdoc/>
    public override void ClearPending() => Interlocked.Exchange(ref _isr, 0);

    /// <inheritdoc/>
    protected override void Rearm()
    {
        EventFd? armed = IsMasked || !_connected ? null : Fd;
        Interlocked.Exchange(ref _armed, armed);

        // Partner: Assert, as told there.
        if (armed is not null && Volatile.Read(ref _isr) != 0)
        {
            Signal(armed);
        }
    }
}
