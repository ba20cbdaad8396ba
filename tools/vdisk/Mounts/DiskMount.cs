using RingCore.Hosting;
using RingCore.Posix;
using Vdisk.Processes;

namespace Vdisk.Mounts;

/// <summary>A mount of FuseFront's, seen from outside.</summary>
internal static class DiskMount
{
    /// <summary>The file below the mount point that is the disk.</summary>
    public const string FileName = "disk";

    /// <summary>The file system type of FuseFront's mounts.</summary>
    private const string Type = "fuse.vdisk";

    /// <summary>Whether one is on top at <paramref name="path"/> (resolved), served or dead.</summary>
    public static bool IsAt(string path) => MountTable.Read().At(path)?.Type == Type;

    /// <summary>
    /// Takes a mount off whose server has ended or is about to: at once, whoever still uses it. Nothing happens when there
    /// is none.
    /// </summary>
    /// <exception cref="UserErrorException">It cannot be unmounted.</exception>
    public static void Drop(string path)
    {
        if (!IsAt(path))
        {
            return;
        }

        if (UserIds.IsRoot)
        {
            try
            {
                MountPoint.Unmount(path, lazy: true);
            }
            catch (PosixException e) when (e.Errno == Errno.EINVAL)
            {
                return; // somebody was faster
            }
        }
        else
        {
            SystemCommand.Outcome outcome = SystemCommand.Run("fusermount3", "-u", "-z", "--", path);
            if (outcome.ExitCode != 0 && IsAt(path))
            {
                throw new UserErrorException($"{path} cannot be unmounted: {outcome.Complaint}; run 'fusermount3 -uz {path}' by hand");
            }
        }
    }
}
