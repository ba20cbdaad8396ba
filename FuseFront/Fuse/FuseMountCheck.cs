using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>Looks at a mount point before anything is mounted, so that a mistake is told in the user's words.</summary>
internal static class FuseMountCheck
{
    /// <summary>The mount point's absolute path, free of links.</summary>
    /// <exception cref="FuseMountException">Missing, no directory, not empty, not to be entered, or one of our mounts
    /// already.</exception>
    internal static string Check(FuseMountOptions options)
    {
        string path = Resolve(options.MountPoint);
        if (MountTable.Read().At(path) is { } entry && entry.Type == "fuse." + options.Subtype)
        {
            throw new FuseMountException($"{path} has {entry.Source} attached already: detach it first", Errno.EBUSY);
        }

        try
        {
            if (!Directory.Exists(path))
            {
                throw new FuseMountException($"{path} is not a directory: name one to mount at", Errno.ENOTDIR);
            }

            if (!options.AllowNonEmpty && Directory.EnumerateFileSystemEntries(path).Any())
            {
                throw new FuseMountException(
                    $"{path} is not empty: choose an empty directory, or allow it with --nonempty", Errno.ENOTEMPTY);
            }
        }
        catch (UnauthorizedAccessException)
        {
            throw new FuseMountException($"{path} cannot be read: choose a directory of your own", Errno.EACCES);
        }

        return path;
    }

    private static string Resolve(string mountPoint)
    {
        try
        {
            return MountPoint.Resolve(mountPoint);
        }
        catch (PosixException e) when (e.Errno == Errno.ENOENT)
        {
            throw new FuseMountException($"{mountPoint} does not exist: create it with mkdir", e.Errno);
        }
        catch (PosixException e) when (e.Errno == Errno.ENOTDIR)
        {
            throw new FuseMountException($"{mountPoint} is not a directory: name one to mount at", e.Errno);
        }
        catch (PosixException e)
        {
            throw new FuseMountException($"{mountPoint} cannot be used: {Errno.Describe(e.Errno)}", e.Errno);
        }
    }
}
