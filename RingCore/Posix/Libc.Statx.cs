using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>statx(2): the one stat whose layout is the same on every architecture.</summary>
internal static unsafe partial class Libc
{
    internal const int AT_FDCWD = -100;
    internal const int AT_SYMLINK_NOFOLLOW = 0x100;
    internal const int AT_EMPTY_PATH = 0x1000;
    internal const uint STATX_BASIC_STATS = 0x7ff;

    [LibraryImport(Name, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int fileStatx(int directory, string path, int flags, uint mask, StatxBuffer* buffer);

    [LibraryImport(Name, EntryPoint = "readlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint readProcLink(string path, byte* buffer, nuint size);

    /// <summary>struct statx, 256 bytes (linux/stat.h).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    internal struct StatxBuffer
    {
        internal uint Mask;
        internal uint BlockSize;
        internal ulong Attributes;
        internal uint LinkCount;
        internal uint UserId;
        internal uint GroupId;
        internal ushort Mode;
        internal ushort Pad;
        internal ulong Inode;
        internal ulong Size;
        internal ulong Blocks;
        internal ulong AttributesMask;
        internal fixed byte Times[64];
        internal uint DeviceNodeMajor;
        internal uint DeviceNodeMinor;
        internal uint DeviceMajor;
        internal uint DeviceMinor;
    }
}
