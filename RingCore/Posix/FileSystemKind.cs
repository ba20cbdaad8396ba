namespace RingCore.Posix;

/// <summary>The magic numbers by which statfs(2) tells file systems apart (linux/magic.h).</summary>
public static unsafe class FileSystemKind
{
    /// <summary>FUSE_SUPER_MAGIC.</summary>
    public const long Fuse = 0x65735546;

    /// <summary>TMPFS_MAGIC.</summary>
    public const long Tmpfs = 0x01021994;

    /// <summary>The magic number of the file system that holds <paramref name="path"/>. Asks its server, which may block.</summary>
    /// <exception cref="PosixException">With the errno of statfs(2).</exception>
    public static long Of(string path)
    {
        // The kernel fills one struct statfs, which is as large as the buffer.
        long* buffer = stackalloc long[Libc.StatfsSize / sizeof(long)];
        PosixException.Check(Libc.statfs(path, buffer), $"statfs {path}");
        return buffer[0];
    }
}
