using RingCore.Hosting;

namespace Vdisk.Mounts;

/// <summary>Takes off what <c>vdisk mount</c> put on a disk, as far as it had come.</summary>
internal static class InnerUnmount
{
    /// <exception cref="UserErrorException">In use, or it cannot be taken off.</exception>
    public static void Take(Attachment record, bool lazy)
    {
        if (record.Mount is not { } mount)
        {
            return;
        }

        if (mount.LoopDevice is { } device)
        {
            LoopMount.Unmount(device, mount.Target, lazy);
            LoopMount.DeleteDevice(device, Path.Combine(record.Directory, DiskMount.FileName));
        }

        if (mount.Fuse2fs is not null)
        {
            Fuse2fsMount.Unmount(mount, lazy);
        }
    }
}
