using System.CommandLine;
using RingCore.Hosting;
using RingCore.Posix;
using Vdisk.Attachments;
using Vdisk.Mounts;

namespace Vdisk.Commands;

/// <summary><c>vdisk mount IMAGE DIR</c>: the file system inside the image, at DIR.</summary>
internal static class MountCommand
{
    private const int MaxPartition = 1024;

    private sealed record Request(string Image, string Target, int Partition, string? Type, string Via, AttachOptions Options);

    public static Command Build()
    {
        Argument<string> image = OptionFactory.Path("IMAGE", "the raw image file or block device, or vhost-user:SOCKET");
        Argument<string> target = OptionFactory.Path("DIR", "where its file system shall appear");
        Option<int> partition = OptionFactory.Number("--partition", "mount this partition; 0 is the whole disk", 0, MaxPartition, 0);
        Option<string?> type = OptionFactory.Text("--type", "TYPE", "the file system's type, if it is not to be guessed (loop only)");
        Option<string> via = OptionFactory.Choice(
            "--via", "a loop device (root), fuse2fs (ext2/3/4), or what fits the user", "auto", "loop", "fuse2fs");
        var command = new Command("mount", "Mount the file system inside an image.") { image, target, partition, type, via };
        Func<ParseResult, AttachOptions> options = AttachOptions.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(type) is not null && !UsesLoop(result.GetValue(via)))
            {
                result.AddError("--type is for loop devices; fuse2fs finds out by itself which of ext2, ext3 and ext4 it is");
            }
        });
        command.SetAction(parsed => Run(new Request(
            parsed.GetRequiredValue(image),
            parsed.GetRequiredValue(target),
            parsed.GetValue(partition),
            parsed.GetValue(type),
            parsed.GetRequiredValue(via),
            options(parsed))));
        return command;
    }

    private static bool UsesLoop(string? via) => via == "loop" || (via == "auto" && UserIds.IsRoot);

    private static int Run(Request request)
    {
        if (!UsesLoop(request.Via))
        {
            Fuse2fsMount.RequireInstalled();
        }

        using var interrupted = new CancellationTokenSource();
        using var signals = new TerminationSignals(_ => interrupted.Cancel());
        AttachSession session = AttachSession.AttachHidden(
            RuntimeFolder.Default(), request.Image, request.Target, request.Partition, request.Options, interrupted.Token);
        try
        {
            MountInside(session, request, interrupted.Token);
        }
        catch (Exception e)
        {
            AfterFailure.Do(() => InnerUnmount.Take(session.Record, lazy: true), session.Abandon);
            if (e is OperationCanceledException)
            {
                throw new UserErrorException("interrupted; nothing is mounted", ExitCodes.Interrupted);
            }

            throw;
        }

        string part = request.Partition == 0 ? "" : $", partition {request.Partition},";
        Console.WriteLine($"{session.Record.Image}{part} is mounted at {session.Record.Mount!.Target}");
        if (request.Options.Faults is not null)
        {
            Console.WriteLine($"fault seed {request.Options.FaultSeed}");
        }

        return ExitCodes.Success;
    }

    private static void MountInside(AttachSession session, Request request, CancellationToken interrupted)
    {
        Partition? partition = request.Partition == 0 ? null : PartitionTable.Require(session.DiskFile, request.Partition);
        bool readOnly = request.Options.ReadOnly;
        if (!UsesLoop(request.Via))
        {
            Fuse2fsMount.Mount(session, partition, readOnly, request.Options.AllowOther, interrupted);
            return;
        }

        string device = LoopMount.CreateDevice(session.DiskFile, partition, readOnly);
        InnerMount mount = session.Record.Mount!;
        session.Update(session.Record with { Mount = mount with { LoopDevice = device } });
        interrupted.ThrowIfCancellationRequested();
        LoopMount.Mount(device, mount.Target, request.Type, readOnly);
    }
}
