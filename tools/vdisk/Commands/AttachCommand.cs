using System.CommandLine;
using RingCore.Hosting;
using Vdisk.Attachments;
using Vdisk.Processes;

namespace Vdisk.Commands;

/// <summary><c>vdisk attach IMAGE DIR</c>: returns when DIR/disk is ready.</summary>
internal static class AttachCommand
{
    private static readonly TimeSpan DetachTimeout = TimeSpan.FromSeconds(10);

    public static Command Build()
    {
        Argument<string> image = OptionFactory.Path("IMAGE", "the raw image file or block device, or vhost-user:SOCKET");
        Argument<string> directory = OptionFactory.Path("DIR", "an empty folder; the disk becomes DIR/disk");
        Option<bool> nonEmpty = DiskOptions.NonEmpty();
        Option<bool> foreground = OptionFactory.Flag("--foreground", "stay, show both logs, and detach on Ctrl-C");
        var command = new Command("attach", "Attach an image: its content becomes the file DIR/disk.") { image, directory, nonEmpty, foreground };
        Func<ParseResult, AttachOptions> options = AttachOptions.AddTo(command);
        command.SetAction(parsed => Run(
            parsed.GetRequiredValue(image),
            parsed.GetRequiredValue(directory),
            options(parsed) with { NonEmpty = parsed.GetValue(nonEmpty) },
            parsed.GetValue(foreground)));
        return command;
    }

    private static int Run(string image, string directory, AttachOptions options, bool foreground)
    {
        using var interrupted = new CancellationTokenSource();
        using var signals = new TerminationSignals(_ => interrupted.Cancel());
        AttachSession session = AttachSession.Attach(RuntimeFolder.Default(), image, directory, options, interrupted.Token);
        Console.WriteLine($"{session.Record.Image} is at {session.DiskFile}");
        if (options.Faults is not null)
        {
            Console.WriteLine($"fault seed {options.FaultSeed}");
        }

        return foreground ? StayUntilEnd(session, interrupted.Token) : ExitCodes.Success;
    }

    /// <summary>Shows the logs until Ctrl-C, until <c>vdisk detach</c> elsewhere, or until one of the processes dies.</summary>
    private static int StayUntilEnd(AttachSession session, CancellationToken interrupted)
    {
        Attachment record = session.Record;
        using var tail = new LogTail(Console.Error, ("backend", session.Folder.BackendLog), ("fusefront", session.Folder.FrontLog));
        while (AttachmentStates.Of(session.Folder, record) == AttachmentState.Attached)
        {
            if (interrupted.WaitHandle.WaitOne(200))
            {
                DetachWhoeverUsesIt(session);
                return ExitCodes.Success;
            }
        }

        return AfterTheEnd(session);
    }

    private static void DetachWhoeverUsesIt(AttachSession session)
    {
        try
        {
            Detachment.Detach(session.Folder, session.Record, lazy: false, DetachTimeout);
        }
        catch (BusyException e)
        {
            Console.Error.WriteLine($"vdisk: {e.Message.Split(';')[0]}; unmounting it lazily");
            Detachment.Detach(session.Folder, session.Record, lazy: true, DetachTimeout);
        }
    }

    private static int AfterTheEnd(AttachSession session)
    {
        // A detach elsewhere ends the front first and removes the folder last.
        if (new Deadline(DetachTimeout).Until(() => session.Folder.TryRead() is null || IsStuck(session)) && session.Folder.TryRead() is null)
        {
            return ExitCodes.Success;
        }

        AttachmentState state = AttachmentStates.Of(session.Folder, session.Record);
        Detachment.Detach(session.Folder, session.Record, lazy: true, DetachTimeout);
        throw new UserErrorException($"the disk was lost ({state.Describe()}) and has been detached; attach it again");
    }

    /// <summary>One half has died and nobody is detaching the other.</summary>
    private static bool IsStuck(AttachSession session) =>
        AttachmentStates.Of(session.Folder, session.Record) is AttachmentState.BackendDead;
}
