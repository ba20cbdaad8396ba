using System.CommandLine;
using RingCore.Hosting;
using RingCore.Units;
using Vdisk.Attachments;
using Vdisk.Mounts;
using Vdisk.Processes;

namespace Vdisk.Commands;

/// <summary><c>vdisk umount DIR</c>: undoes <c>vdisk mount</c>.</summary>
internal static class UmountCommand
{
    private static readonly TimeSpan ReleaseTimeout = TimeSpan.FromSeconds(5);

    public static Command Build()
    {
        Argument<string> directory = OptionFactory.Path("DIR", "where the file system is mounted");
        Option<bool> lazy = OptionFactory.Flag("--lazy", "unmount even if in use");
        Option<Duration> timeout = DetachCommand.Timeout();
        var command = new Command("umount", "Unmount the file system inside an image, and detach its disk.") { directory, lazy, timeout };
        command.SetAction(parsed => Run(
            parsed.GetRequiredValue(directory), parsed.GetValue(lazy), parsed.GetValue(timeout).ToTimeSpan()));
        return command;
    }

    private static int Run(string directory, bool lazy, TimeSpan timeout)
    {
        (AttachmentFolder folder, Attachment record) = Registry.Require(RuntimeFolder.Default(), directory);
        if (record.Mount is null)
        {
            throw new UserErrorException($"{directory} holds a disk, not a file system; run 'vdisk detach {directory}'");
        }

        InnerUnmount.Take(record, lazy);
        DetachWhenReleased(folder, record, lazy, timeout);
        return ExitCodes.Success;
    }

    /// <summary>The loop device may be looked at by others for a moment (udev), and then keeps the disk's file open.</summary>
    private static void DetachWhenReleased(AttachmentFolder folder, Attachment record, bool lazy, TimeSpan timeout)
    {
        BusyException? busy = null;
        bool isDetached = new Deadline(ReleaseTimeout).Until(() =>
        {
            try
            {
                Detachment.Detach(folder, record, lazy, timeout);
                return true;
            }
            catch (BusyException e)
            {
                busy = e;
                return false;
            }
        });
        if (!isDetached)
        {
            throw busy!;
        }
    }
}
