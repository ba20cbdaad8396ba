using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>
/// An eventfd(2) counter: the doorbell, the interrupt line and the wake-up of this project. Owns its descriptor.
/// <see cref="Signal"/> and <see cref="TestAndClear"/> may be called from any thread.
/// </summary>
/// <remarks>
/// It is non-blocking for as long as whoever else holds it lets it be: O_NONBLOCK belongs to the open file description, which
/// every holder of the eventfd shares. A peer that clears it and fills the counter makes <see cref="Signal"/> wait until
/// somebody reads. There is no write that refuses to wait (eventfds know no RWF_NOWAIT for it), so the calls that may wait keep
/// the GC transition: the thread that signals that peer is held, and no other.
/// </remarks>
public sealed unsafe class EventFd : IDisposable
{
    private const int EfdCloExec = 0x80000;
    private const int EfdNonBlock = 0x800;
    private static readonly Lazy<bool> HasNoWait = new(ProbeNoWait);
    private readonly int _number;

    /// <summary>Creates a counter at zero.</summary>
    public EventFd()
        : this(FileDescriptor.FromResult(Libc.eventfd(0, EfdCloExec | EfdNonBlock), "eventfd"))
    {
    }

    /// <summary>
    /// Takes over a descriptor that a peer sent, of which <see cref="FileIdentity.IsEventFd"/> must hold: writing to anything
    /// else may do anything. It is made non-blocking, for the peers that leave it so.
    /// </summary>
    public EventFd(FileDescriptor descriptor)
    {
        Descriptor = descriptor;
        descriptor.SetNonBlocking(true);
        _number = descriptor.Number;
    }

    /// <summary>The descriptor, to be watched or sent; still owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>
    /// Adds one, which wakes whoever polls. Not if the counter is full (EAGAIN), to which it never comes unless a peer fills it, and then
    /// that peer's own signals are what is lost; returns false for any other error. Waits while the counter is full and a peer has made
    /// it a blocking one.
    /// </summary>
    public bool Signal()
    {
        ulong one = 1;
        return Libc.write(_number, (byte*)&one, sizeof(ulong)) == sizeof(ulong)
            || Marshal.GetLastPInvokeError() == Errno.EAGAIN;
    }

    /// <summary>
    /// As <see cref="Signal"/>, for a thread that nobody could free: asks for room first. One that a peer fills right between the two, and has made a blocking one, still holds the caller.
    /// </summary>
    public void SignalIfRoom()
    {
        if (Descriptor.IsWritable())
        {
            Signal();
        }
    }

    /// <summary>
    /// Resets the counter and tells whether it was above zero. Does not wait, even if a peer that shares the counter has made
    /// it a blocking one (before Linux 5.8 it does then, until somebody signals).
    /// </summary>
    public bool TestAndClear()
    {
        ulong value;
        nint n = HasNoWait.Value ? ReadNoWait(_number, &value) : Libc.read(_number, (byte*)&value, sizeof(ulong));
        return n == sizeof(ulong) && value != 0;
    }

    /// <summary>Closes the descriptor. No other thread may still signal it.</summary>
    public void Dispose() => Descriptor.Dispose();

    private static nint ReadNoWait(int number, ulong* value)
    {
        // One vector, of the caller's 8 bytes.
        IoVector vector = new((byte*)value, sizeof(ulong));
        return Libc.preadv2Nb(number, &vector, 1, -1, Libc.RWF_NOWAIT);
    }

    // Eventfds know RWF_NOWAIT since Linux 5.8.
    private static bool ProbeNoWait()
    {
        using FileDescriptor probe = FileDescriptor.FromResult(Libc.eventfd(1, EfdCloExec | EfdNonBlock), "eventfd");
        ulong value;
        return ReadNoWait(probe.Number, &value) == sizeof(ulong);
    }
}
