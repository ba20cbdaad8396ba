using RingCore.Posix;

namespace Backend.Device;

/// <summary>
/// One interrupt that a client can bind to an eventfd, mask and trigger (SET_IRQS). These members are the server thread's;
/// how a device raises it, from any thread, is each kind's own.
/// </summary>
public abstract class IrqLine
{
    private int _serverThread;

    /// <summary>
    /// Binds the line to an eventfd, or to none. Returns the one it replaces, which data-path threads may still be about to
    /// signal: dispose it only after a grace period (<see cref="IVirtioDevice.Synchronize"/>).
    /// </summary>
    public EventFd? Assign(EventFd? fd)
    {
        EventFd? old = Fd;
        Fd = fd;
        _serverThread = Environment.CurrentManagedThreadId;
        Rearm();
        return old;
    }

    /// <summary>Holds interrupts back, or lets them through again with what was held back.</summary>
    public bool IsMasked { get; private set; }

    /// <summary>The eventfd that is bound.</summary>
    protected EventFd? Fd { get; private set; }

    /// <summary>Masks or unmasks.</summary>
    public void SetMasked(bool masked)
    {
        IsMasked = masked;
        Rearm();
    }

    /// <summary>The client has the interrupt raised, as a test of the way back to it.</summary>
    public abstract void Trigger();

    /// <summary>Forgets interrupts that are held back: the device was reset.</summary>
    public abstract void ClearPending();

    /// <summary>
    /// Frees a thread that hangs on an eventfd which its client has made a blocking one, and has filled. No honest client's is
    /// ever full, so nothing is lost but the one edge, which is raised anew.
    /// </summary>
    internal static void FreeStuckThread(EventFd fd)
    {
        if (!fd.Descriptor.IsWritable())
        {
            fd.Descriptor.SetNonBlocking(true);
            fd.TestAndClear();
            fd.SignalIfRoom();
        }
    }

    /// <summary>The same for the eventfd that is bound.</summary>
    internal void FreeStuckThread()
    {
        if (Fd is { } fd)
        {
            FreeStuckThread(fd);
        }
    }

    /// <summary>
    /// Signals the eventfd; any thread. A data-path thread may come to hang on a hostile client's, as
    /// <see cref="FreeStuckThread()"/> tells; the server's, which has to free it then, asks for room first.
    /// </summary>
    protected void Signal(EventFd fd)
    {
        if (Environment.CurrentManagedThreadId == _serverThread)
        {
            fd.SignalIfRoom();
        }
        else
        {
            fd.Signal();
        }
    }

    /// <summary>Binding or mask changed: publish what may be signalled, and deliver what was held back.</summary>
    protected abstract void Rearm();
}
