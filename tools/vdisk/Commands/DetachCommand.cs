using System.CommandLine;
using RingCore.Hosting;
using RingCore.Units;
using Vdisk.Attachments;

namespace Vdisk.Commands;

/// <summary><c>vdisk detach DIR</c>: flushes, stops, unmounts; nothing is left behind.</summary>
internal static class DetachCommand
{
    private static readonly Duration Standard = Duration.FromSeconds(10);

    public static Command Build()
    {
        Argument<string> directory = OptionFactory.Path("DIR", "where the disk is attached");
        Option<bool> lazy = OptionFactory.Flag("--lazy", "unmount even if in use; open files work until the timeout at most");
        Option<Duration> timeout = Timeout();
        var command = new Command("detach", "Detach a disk: flush, stop, unmount.") { directory, lazy, timeout };
        command.SetAction(parsed => Run(
            parsed.GetRequiredValue(directory), parsed.GetValue(lazy), parsed.GetValue(timeout).ToTimeSpan()));
        return command;
    }

    /// <summary>How long a process may take to end by itself.</summary>
    public static Option<Duration> Timeout() =>
        OptionFactory.Time(
            "--timeout", "how long each process may take to end by itself before it is killed", Duration.FromSeconds(1), Duration.FromSeconds(3600), Standard);

    private static int Run(string directory, bool lazy, TimeSpan timeout)
    {
        (AttachmentFolder folder, Attachment record) = Registry.Require(RuntimeFolder.Default(), directory);
        if (record.Mount is not null)
        {
            throw new UserErrorException($"{directory} is a file system that vdisk mounted; run 'vdisk umount {directory}'");
        }

        Detachment.Detach(folder, record, lazy, timeout);
        return ExitCodes.Success;
    }
}
