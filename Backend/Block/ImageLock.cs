using NLog;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// Keeps two writers off one image, across processes, in agreement with QEMU: a program holds byte 100 + p for every
/// permission p that it uses, and byte 200 + p for every one that it grants nobody else. All are read locks, so that holders
/// do not exclude each other by themselves; who wants a permission looks at the opposite byte after having taken its own, so
/// of two that come at once at least one sees the other. The locks go with the descriptor that they are taken on.
/// </summary>
internal static class ImageLock
{
    internal const int UsedBase = 100;
    internal const int RefusedBase = 200;
    internal const int ConsistentRead = 0;
    internal const int Write = 1;
    internal const int Resize = 3;

    private const int NoLocks = 37; // ENOLCK
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private static readonly int[] ReaderUses = [ConsistentRead];
    private static readonly int[] WriterUses = [ConsistentRead, Write];

    // A change of contents or size behind our back would be corruption for a reader as for a writer.
    private static readonly int[] Refused = [Write, Resize];

    /// <summary>Takes the locks on an open image, or says who is in the way.</summary>
    /// <exception cref="ImageException">Another process uses the image in a way that does not go with ours.</exception>
    internal static void Take(FileDescriptor fd, FileStatus status, string path, bool readOnly)
    {
        int[] used = readOnly ? ReaderUses : WriterUses;
        int error = Share(fd, UsedBase, used);
        error = error == 0 ? Share(fd, RefusedBase, Refused) : error;
        if (error is -NoLocks or -Errno.EINVAL or -Errno.EOPNOTSUPP or -Errno.ENOSYS)
        {
            Log.Warn("{0}: its file system has no locks ({1}): nothing keeps another program from writing to it",
                path, Errno.Describe(-error));
            return;
        }

        if (error != 0)
        {
            // Someone holds a byte exclusively: not QEMU's manner, but surely in use.
            throw InUse(fd, status, path, UsedBase, RefusedBase + Resize, "is locked by", string.Empty);
        }

        CheckNobodyRefuses(fd, status, path, used, readOnly);
    }

    private static void CheckNobodyRefuses(FileDescriptor fd, FileStatus status, string path, int[] used, bool readOnly)
    {
        bool written = Held(fd, path, UsedBase + Write);
        if (written || Held(fd, path, UsedBase + Resize))
        {
            int at = UsedBase + (written ? Write : Resize);
            throw InUse(fd, status, path, at, at, "is being written by", string.Empty);
        }

        foreach (int permission in used)
        {
            int at = RefusedBase + permission;
            if (Held(fd, path, at))
            {
                string remedy = !readOnly && permission == Write ? ", or attach it with --read-only" : string.Empty;
                throw InUse(fd, status, path, at, at, "is in use by", remedy);
            }
        }
    }

    private static int Share(FileDescriptor fd, int @base, int[] permissions)
    {
        foreach (int permission in permissions)
        {
            int error = FileLock.TryShare(fd, @base + permission);
            if (error != 0)
            {
                return error;
            }
        }

        return 0;
    }

    private static bool Held(FileDescriptor fd, string path, int at)
    {
        int held = FileLock.IsHeldByOther(fd, at);
        return held >= 0
            ? held != 0
            : throw new ImageException(path, $"its locks cannot be read ({Errno.Describe(-held)}); try a local file system");
    }

    private static ImageException InUse(
        FileDescriptor fd, FileStatus status, string path, int first, int last, string how, string remedy)
    {
        string holder = LockHolder.Find(fd, status, first, last) ?? "another process (of another user, or on another host)";
        return new ImageException(path, $"{how} {holder}; stop that first{remedy}");
    }
}
