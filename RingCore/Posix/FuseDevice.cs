using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>
/// One open /dev/fuse, non-blocking: a channel of a FUSE connection once it is mounted or cloned. A request's reply must
/// leave by the channel that received it. Owns its descriptor.
/// </summary>
public sealed unsafe class FuseDevice : IDisposable
{
    private const string Path = "/dev/fuse";
    private int _number;

    /// <param name="descriptor">An open /dev/fuse; this object owns it and makes it non-blocking.</param>
    public FuseDevice(FileDescriptor descriptor)
    {
        Descriptor = descriptor;
        descriptor.SetNonBlocking(true);
        _number = descriptor.Number;
    }

    /// <summary>The descriptor, to be watched; still owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>Opens the device, not connected to a mount yet.</summary>
    public static FuseDevice Open() => new(FileDescriptor.Open(Path, OpenFlags.ReadWrite | OpenFlags.NonBlocking));

    /// <summary>Another channel of the same connection (FUSE_DEV_IOC_CLONE).</summary>
    public FuseDevice CloneChannel()
    {
        FuseDevice clone = Open();
        try
        {
            // The ioctl reads one 32-bit number.
            uint source = (uint)_number;
            Check(Libc.ioctlFuse(clone._number, Libc.FUSE_DEV_IOC_CLONE, &source), "ioctl FUSE_DEV_IOC_CLONE");
            return clone;
        }
        catch
        {
            clone.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Receives one request into the vectors. Returns its length, or a negative errno (-EAGAIN: none waits; -ENODEV:
    /// unmounted).
    /// </summary>
    public nint Receive(IoVector* vectors, int count)
    {
        // The caller vouches for each vector; the kernel writes no more than they say.
        nint n = Libc.readv(_number, vectors, count);
        return n < 0 ? -Marshal.GetLastPInvokeError() : n;
    }

    /// <summary>Sends one whole reply. Returns its length, or a negative errno (-ENOENT: nobody waits for it any more).</summary>
    public nint Send(IoVector* vectors, int count)
    {
        // As above; the kernel only reads.
        nint n;
        do
        {
            n = Libc.writev(_number, vectors, count);
        }
        while (n < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        return n < 0 ? -Marshal.GetLastPInvokeError() : n;
    }

    /// <summary>Closes the channel. When it is the connection's last, the mount is dead: every access gives ENOTCONN.</summary>
    public void Dispose()
    {
        // A late call gets EBADF rather than whatever has the number by then.
        _number = -1;
        Descriptor.Dispose();
    }
}
