using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>Per-call flags of preadv2(2) and pwritev2(2).</summary>
[Flags]
public enum ReadWriteFlags
{
    None = 0,

    /// <summary>RWF_DSYNC: the write is stable when the call returns, as after fdatasync(2) of its range.</summary>
    DataSync = 2,

    /// <summary>RWF_NOWAIT: fail with EAGAIN, or come back short, rather than wait for the medium or a lock.</summary>
    NoWait = 8,
}

/// <summary>What fallocate(2) does to a range.</summary>
[Flags]
public enum AllocateMode
{
    /// <summary>The file's size does not change.</summary>
    KeepSize = 1,

    /// <summary>Deallocates; the range reads as zeroes. Needs <see cref="KeepSize"/>.</summary>
    PunchHole = 2,

    /// <summary>The range reads as zeroes and stays, or becomes, allocated.</summary>
    ZeroRange = 16,
}

/// <summary>
/// File I/O that reports errors by value: these run on the data path, where an exception would cost too much. Every call
/// returns a negative errno on failure and restarts on EINTR. Any thread.
/// </summary>
public static unsafe class FileIo
{
    /// <summary>IOV_MAX: vectors that one call takes at most.</summary>
    public const int MaxVectors = 1024;

    /// <summary>pread(2): bytes read (0 at the end of the file) or a negative errno.</summary>
    public static int ReadAt(FileDescriptor fd, Span<byte> buffer, long offset)
    {
        // The span's length bounds what the kernel writes.
        fixed (byte* p = buffer)
        {
            IoVector vector = new(p, (nuint)buffer.Length);
            return (int)ReadV(fd, &vector, 1, offset, ReadWriteFlags.None);
        }
    }

    /// <summary>
    /// preadv2(2): bytes read (0 at the end of the file) or a negative errno. The caller vouches for
    /// <paramref name="count"/> vectors (at most <see cref="MaxVectors"/>) and for the memory that they describe.
    /// </summary>
    public static nint ReadV(FileDescriptor fd, IoVector* vectors, int count, long offset, ReadWriteFlags flags)
    {
        // The kernel stays inside the vectors, for which the caller vouches.
        nint n;
        do
        {
            n = Result(Libc.preadv2(fd.Number, vectors, count, offset, (int)flags));
        }
        while (n == -Errno.EINTR);
        return n;
    }

    /// <summary>pwritev2(2): bytes written or a negative errno; see <see cref="ReadV"/>.</summary>
    public static nint WriteV(FileDescriptor fd, IoVector* vectors, int count, long offset, ReadWriteFlags flags)
    {
        // The kernel stays inside the vectors, for which the caller vouches.
        nint n;
        do
        {
            n = Result(Libc.pwritev2(fd.Number, vectors, count, offset, (int)flags));
        }
        while (n == -Errno.EINTR);
        return n;
    }

    /// <summary>fdatasync(2): 0 or a negative errno.</summary>
    public static int DataSync(FileDescriptor fd)
    {
        int result;
        do
        {
            result = (int)Result(Libc.fdatasync(fd.Number));
        }
        while (result == -Errno.EINTR);
        return result;
    }

    /// <summary>fallocate(2): 0 or a negative errno. Bytes; on regular files any offset and length will do.</summary>
    public static int Allocate(FileDescriptor fd, AllocateMode mode, long offset, long length)
    {
        int result;
        do
        {
            result = (int)Result(Libc.fallocate(fd.Number, (int)mode, offset, length));
        }
        while (result == -Errno.EINTR);
        return result;
    }

    /// <summary>Adds O_DIRECT to an open file: 0, or -EINVAL where the file system has no direct I/O.</summary>
    public static int SetDirect(FileDescriptor fd)
    {
        nint flags = Result(Libc.fcntl(fd.Number, Libc.F_GETFL, 0));
        return flags < 0
            ? (int)flags
            : (int)Result(Libc.fcntl(fd.Number, Libc.F_SETFL, flags | (nint)OpenFlags.Direct));
    }

    /// <summary>
    /// Opens the file behind <paramref name="fd"/> once more: a new open file description with flags (and locks) of its own,
    /// of the same file even if its name now means another.
    /// </summary>
    public static FileDescriptor Reopen(FileDescriptor fd, OpenFlags flags) =>
        FileDescriptor.Open($"/proc/self/fd/{fd.Number}", flags);

    private static nint Result(nint result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;
}
