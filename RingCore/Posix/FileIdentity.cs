namespace RingCore.Posix;

/// <summary>
/// What a file is, whichever descriptor or path leads to it: two descriptors are of the same file when device and inode are
/// equal.
/// </summary>
/// <param name="Device">Major and minor number of the file system's device.</param>
/// <param name="Inode">Inode number within it.</param>
/// <param name="Size">Length in bytes.</param>
/// <param name="BlockSize">Preferred I/O size; the page size for hugetlbfs.</param>
/// <param name="Mode">Type and permission bits (st_mode).</param>
public readonly record struct FileIdentity(ulong Device, ulong Inode, ulong Size, uint BlockSize, ushort Mode)
{
    private const ushort TypeMask = 0xF000;
    private const ushort TypeSocket = 0xC000;

    /// <summary>The file is a UNIX socket's name.</summary>
    public bool IsSocket => (Mode & TypeMask) == TypeSocket;

    /// <summary>Of an open descriptor.</summary>
    public static unsafe FileIdentity Of(FileDescriptor fd)
    {
        // The kernel fills in one struct statx, which the local is large enough for.
        Libc.StatxBuffer buffer;
        PosixException.Check(
            Libc.fileStatx(fd.Number, string.Empty, Libc.AT_EMPTY_PATH, Libc.STATX_BASIC_STATS, &buffer), "statx");
        return From(buffer);
    }

    /// <summary>Of a path, symbolic links not followed; null when there is none.</summary>
    public static unsafe FileIdentity? Of(string path)
    {
        // As above.
        Libc.StatxBuffer buffer;
        int result = Libc.fileStatx(Libc.AT_FDCWD, path, Libc.AT_SYMLINK_NOFOLLOW, Libc.STATX_BASIC_STATS, &buffer);
        if (result < 0)
        {
            int errno = System.Runtime.InteropServices.Marshal.GetLastPInvokeError();
            return errno == Errno.ENOENT ? null : throw new PosixException(errno, $"statx {path}");
        }

        return From(buffer);
    }

    /// <summary>The time of the last modification (st_mtime), whole seconds since 1970.</summary>
    public static unsafe long ModifiedSeconds(FileDescriptor fd)
    {
        // As above; the times are four statx_timestamp of 16 bytes, of which modification is the last.
        Libc.StatxBuffer buffer;
        PosixException.Check(
            Libc.fileStatx(fd.Number, string.Empty, Libc.AT_EMPTY_PATH, Libc.STATX_BASIC_STATS, &buffer), "statx");
        return *(long*)(buffer.Times + 48);
    }

    /// <summary>When the file was made (stx_btime), whole seconds since 1970; null where the file system does not keep it.</summary>
    public static unsafe long? BirthSeconds(FileDescriptor fd)
    {
        // As above; birth is the second of the times.
        const uint birthTime = 0x800;
        Libc.StatxBuffer buffer;
        PosixException.Check(Libc.fileStatx(fd.Number, string.Empty, Libc.AT_EMPTY_PATH, birthTime, &buffer), "statx");
        return (buffer.Mask & birthTime) == 0 ? null : *(long*)(buffer.Times + 16);
    }

    /// <summary>
    /// Whether a descriptor is an eventfd. A peer may send any descriptor where an eventfd is due, and writing to a file, a
    /// terminal or a FUSE mount could block us for as long as the peer likes.
    /// </summary>
    public static unsafe bool IsEventFd(FileDescriptor fd)
    {
        // readlink writes at most the length it is given.
        byte* link = stackalloc byte[64];
        nint length = Libc.readProcLink($"/proc/self/fd/{fd.Number}", link, 64);
        return length > 0 && new ReadOnlySpan<byte>(link, (int)length).SequenceEqual("anon_inode:[eventfd]"u8);
    }

    /// <summary>Same device and inode.</summary>
    public bool IsSameFile(FileIdentity other) => Device == other.Device && Inode == other.Inode;

    private static FileIdentity From(in Libc.StatxBuffer s) =>
        new(((ulong)s.DeviceMajor << 32) | s.DeviceMinor, s.Inode, s.Size, s.BlockSize, s.Mode);
}
