using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <content>Positioned I/O of plain files, their holes, their copies and their times.</content>
internal static unsafe partial class Libc
{
    internal const int SEEK_DATA = 3;
    internal const int SEEK_HOLE = 4;

    /// <summary>_IOW(0x94, 9, int): shares all blocks of another file (linux/fs.h).</summary>
    internal const nuint FICLONE = 0x40049409;

    [LibraryImport(Name, EntryPoint = "pread64", SetLastError = true)]
    internal static partial nint readAt(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport(Name, EntryPoint = "pwrite64", SetLastError = true)]
    internal static partial nint writeAt(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport(Name, EntryPoint = "lseek64", SetLastError = true)]
    internal static partial long seekFile(int fd, long offset, int whence);

    [LibraryImport(Name, EntryPoint = "copy_file_range", SetLastError = true)]
    internal static partial nint copyFileRange(int from, long* fromOffset, int to, long* toOffset, nuint length, uint flags);

    [LibraryImport(Name, EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int ioctlClone(int to, nuint request, nint from);

    /// <summary>Two struct timespec: the time of access and that of modification.</summary>
    [LibraryImport(Name, EntryPoint = "futimens", SetLastError = true)]
    internal static partial int setFileTimes(int fd, long* times);
}
