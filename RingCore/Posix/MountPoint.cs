using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>Flags of mount(2) that this project uses.</summary>
[Flags]
public enum MountFlags : uint
{
    None = 0,
    ReadOnly = 1,
    NoSetUid = 2,
    NoDevices = 4,
}

/// <summary>mount(2), umount2(2) and the path arithmetic around them.</summary>
public static unsafe class MountPoint
{
    private const int MntDetach = 2;
    private const int UmountNoFollow = 8;

    /// <summary>Mounts.</summary>
    /// <exception cref="PosixException">With the errno of mount(2).</exception>
    public static void Mount(string source, string target, string type, MountFlags flags, string data) =>
        Check(Libc.mount(source, target, type, (nuint)flags, data), $"mount {target}");

    /// <summary>Unmounts what is on top at <paramref name="target"/>; symbolic links are not followed.</summary>
    /// <param name="target">The mount point.</param>
    /// <param name="lazy">Detach now, let go when the last user is gone (MNT_DETACH).</param>
    /// <exception cref="PosixException">EBUSY: in use; EINVAL: nothing is mounted there.</exception>
    public static void Unmount(string target, bool lazy) =>
        Check(Libc.umount2(target, UmountNoFollow | (lazy ? MntDetach : 0)), $"umount {target}");

    /// <summary>
    /// The absolute path without symbolic links. A last component that cannot be looked at, as the mount of a dead FUSE
    /// server, is taken as it stands.
    /// </summary>
    /// <exception cref="PosixException">ENOENT, EACCES, … for the path, or for its parent.</exception>
    public static string Resolve(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (TryRealPath(full, out int errno) is { } real)
        {
            return real;
        }

        if (errno is Errno.ENOTCONN or Errno.EACCES or Errno.EIO or Errno.ECONNABORTED
            && Path.GetDirectoryName(full) is { } parent
            && TryRealPath(parent, out _) is { } realParent)
        {
            return Path.Join(realParent, Path.GetFileName(full));
        }

        throw new PosixException(errno, full);
    }

    private static string? TryRealPath(string path, out int errno)
    {
        // With a null buffer the C library allocates a zero-ended string, which we free.
        byte* result = Libc.realpath(path, null);
        errno = result == null ? Marshal.GetLastPInvokeError() : 0;
        if (result == null)
        {
            return null;
        }

        string text = Marshal.PtrToStringUTF8((nint)result)!;
        Libc.free(result);
        return text;
    }
}
