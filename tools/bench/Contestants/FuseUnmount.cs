using RingCore.Posix;

namespace Bench.Contestants;

/// <summary>Takes off what a server left mounted.</summary>
internal static class FuseUnmount
{
    /// <summary>Unmounts everything at the folder's mount points, lazily: a dead server's mount too.</summary>
    public static void All(ContestantFolder folder)
    {
        foreach (string path in (string[])[folder.File, folder.Mount])
        {
            while (MountTable.Read().At(path) is not null)
            {
                Lazily(path);
            }
        }
    }

    private static void Lazily(string path)
    {
        if (!UserIds.IsRoot)
        {
            Command.Outcome outcome = Command.Run("fusermount3", ["-u", "-z", "--", path], TimeSpan.FromSeconds(10));
            if (outcome.ExitCode != 0 && MountTable.Read().At(path) is not null)
            {
                throw new PosixException(Errno.EBUSY, $"{path} stays mounted: {outcome.Complaint}");
            }

            return;
        }

        try
        {
            MountPoint.Unmount(path, lazy: true);
        }
        catch (PosixException e) when (e.Errno == Errno.EINVAL && MountTable.Read().At(path) is null)
        {
            // Its server took it off meanwhile, which is all that was wanted.
        }
    }
}
