using RingCore.Posix;

namespace Backend.Block;

/// <summary>What can be wrong with an image before it is used, in words for a person, each with the remedy.</summary>
internal static class OpenProblem
{
    internal const string IsDirectory = "is a directory; name an image file in it";
    internal const string IsNoImage = "is neither a regular file nor a block device; name one of those";
    private const int Sector = 512;

    internal static string Describe(string path, bool readOnly, int errno) => errno switch
    {
        Errno.ENOENT => Missing(path),
        Errno.ENOTDIR => "a part of this path is not a directory; check the path",
        Errno.EISDIR => IsDirectory,
        Errno.ENXIO => IsNoImage,
        Errno.EROFS => "is on a read-only file system; attach it with --read-only",
        Errno.EACCES or Errno.EPERM when !readOnly && IsReadable(path) =>
            $"may be read but not written by user {Environment.UserName}; attach it with --read-only, or chmod u+w it",
        Errno.EACCES or Errno.EPERM => $"user {Environment.UserName} may not open it; change its permissions or its directory's",
        Errno.ETXTBSY or Errno.EBUSY => "is in use (mounted, swap, or claimed by another program); stop that first",
        _ => $"cannot be opened: {Errno.Describe(errno)}; check the path and its file system",
    };

    /// <exception cref="ImageException">The size cannot be a disk's.</exception>
    internal static void CheckLength(string path, long length)
    {
        if (length == 0)
        {
            throw new ImageException(path, $"is empty; give it a size, for instance: truncate -s 1G {path}");
        }

        if (length % Sector != 0)
        {
            long whole = (length / Sector + 1) * Sector;
            throw new ImageException(path,
                $"its size of {length} bytes is not a multiple of {Sector}; pad it with: truncate -s {whole} {path}");
        }
    }

    private static string Missing(string path)
    {
        if (path.Length == 0)
        {
            return "no image is named; name a raw image file";
        }

        string? directory = Path.GetDirectoryName(Path.GetFullPath(path));
        return directory is null || Directory.Exists(directory)
            ? $"does not exist; create it with: vdisk create {path} SIZE"
            : $"its directory {directory} does not exist; check the path";
    }

    private static bool IsReadable(string path)
    {
        try
        {
            FileDescriptor.Open(path, OpenFlags.ReadOnly | OpenFlags.NonBlocking).Dispose();
            return true;
        }
        catch (PosixException)
        {
            return false; // that is the answer to the question
        }
    }
}
