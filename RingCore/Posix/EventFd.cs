using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>
/// A non-blocking eventfd(2) counter: the doorbell, the interrupt line and the wake-up of this project. Owns its
/// descriptor. <see cref="Signal"/> and <see cref="TestAndClear"/> may be called from any thread.
/// </summary>
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
    /// Takes over a descriptor that a peer sent. It is made non-blocking, so that a peer which fills the counter cannot
    /// block us. Anything that can be written 8 bytes works as one.
    /// </summary>
    public EventFd(FileDescriptor descriptor)
    {
        Descriptor = descriptor;
        descriptor.SetNonBlocking(true);
        _number = descriptor.Number;
    }

    /// <summary>The descriptor, to be watched or sent; still owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>Adds one. A full counter (EAGAIN) is as good as signalled; returns false for any other error.</summary>
    public bool Signal()
    {
        ulong one = 1;
        return Libc.writeNb(_number, (byte*)&one, sizeof(ulong)) == sizeof(ulong)
            || Marshal.GetLastPInvokeError() == Errno.EAGAIN;
    }

    /// <summary>
    /// Resets the counter and tells whether it was above zero. Does not block, even if a peer that shares the counter has made
    /// it a blocking one.
    /// </summary>
    public bool TestAndClear()
    {
        ulong value;
        nint n = HasNoWait.Value ? ReadNoWait(_number, &value) : Libc.readNb(_number, (byte*)&value, sizeof(ulong));
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
