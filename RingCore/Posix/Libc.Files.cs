using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>Calls on files that hold a disk: positioned vector I/O, durability, space, status, locks.</summary>
internal static unsafe partial class Libc
{
    internal const int F_OFD_GETLK = 36;
    internal const int F_OFD_SETLK = 37;

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint preadv2(int fd, IoVector* vectors, int count, long offset, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint pwritev2(int fd, IoVector* vectors, int count, long offset, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int fdatasync(int fd);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int fallocate(int fd, int mode, long offset, long length);

    /// <summary><paramref name="buffer"/> is a struct statx, 256 bytes.</summary>
    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int statx(int directory, string path, int flags, uint mask, byte* buffer);

    /// <summary><paramref name="buffer"/> is a struct statfs, 120 bytes.</summary>
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int fstatfs(int fd, byte* buffer);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, void* argument);
}
