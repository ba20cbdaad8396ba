using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>Mounting, /dev/fuse's ioctl, paths.</summary>
internal static unsafe partial class Libc
{
    /// <summary>_IOR(229, 0, uint32_t): makes a fresh /dev/fuse descriptor another channel of a connection.</summary>
    internal const uint FUSE_DEV_IOC_CLONE = 0x8004E500;

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mount(string source, string target, string type, nuint flags, string data);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int umount2(string target, int flags);

    [LibraryImport(Name, EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int ioctlFuse(int fd, nuint request, uint* argument);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial byte* realpath(string path, byte* buffer);

    [LibraryImport(Name)]
    internal static partial void free(byte* memory);

    [LibraryImport(Name)]
    internal static partial uint geteuid();

    [LibraryImport(Name)]
    internal static partial uint getegid();
}
