using RingCore.Hosting;
using RingCore.Log;
using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>Opens the image that a log starts from.</summary>
public static class BaseImage
{
    /// <exception cref="UserErrorException">It is none for this log; the message says what to do.</exception>
    public static PositionedFile Open(string path, LogHeader header)
    {
        PositionedFile file;
        try
        {
            file = PositionedFile.Open(path, OpenFlags.ReadOnly);
        }
        catch (PosixException e)
        {
            throw new UserErrorException($"base image {path}: {Errno.Describe(e.Errno)}; name a copy of the disk from before it was recorded", e);
        }

        if (Problem(file, header) is { } problem)
        {
            file.Dispose();
            throw new UserErrorException($"base image {path} {problem}; name a copy of the disk from before it was recorded");
        }

        return file;
    }

    private static string? Problem(PositionedFile file, LogHeader header)
    {
        if (!file.IsDisk)
        {
            return "is no file or block device";
        }

        if (file.Length != header.ImageLength)
        {
            return $"has {file.Length} bytes, but the recorded disk has {header.ImageLength}";
        }

        // A number alone does not tell: the file system may have given it to a file that was made later.
        FileIdentity identity = file.Identity;
        bool isRecorded = identity.Inode == header.ImageInode && identity.Device == header.ImageDevice && !file.IsMadeAfter(header.Created);
        return isRecorded ? "is the recorded disk itself, which holds all the writes already" : null;
    }
}
