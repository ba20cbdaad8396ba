using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>
/// Byte-range locks that belong to an open file description (fcntl(2), F_OFD_*): they last until its last descriptor is
/// closed, and conflict with any other description, of this process too. Calls return 0 or a negative errno.
/// </summary>
public static unsafe class FileLock
{
    private const short ReadLock = 0;
    private const short WriteLock = 1;
    private const short Unlock = 2;

    /// <summary>Takes one byte for reading: any number of holders. -EAGAIN when another holds it for writing.</summary>
    public static int TryShare(FileDescriptor fd, long offset) => Set(fd, offset, ReadLock);

    /// <summary>Gives one byte back.</summary>
    public static int Release(FileDescriptor fd, long offset) => Set(fd, offset, Unlock);

    /// <summary>
    /// Whether another open file description holds the byte in any way: 0 no, 1 yes, or a negative errno.
    /// </summary>
    public static int IsHeldByOther(FileDescriptor fd, long offset)
    {
        var range = new Range { Type = WriteLock, Start = offset, Length = 1 };
        if (Libc.fcntl(fd.Number, Libc.F_OFD_GETLK, (nint)(&range)) < 0)
        {
            return -Marshal.GetLastPInvokeError();
        }

        return range.Type == Unlock ? 0 : 1;
    }

    private static int Set(FileDescriptor fd, long offset, short type)
    {
        // The kernel reads this structure during the call only.
        var range = new Range { Type = type, Start = offset, Length = 1 };
        return Libc.fcntl(fd.Number, Libc.F_OFD_SETLK, (nint)(&range)) < 0 ? -Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>struct flock; l_whence 0 is SEEK_SET, l_pid must be 0.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Range
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Pid;
    }
}
