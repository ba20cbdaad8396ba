using System.CommandLine;
using RingCore.CrashTest;
using RingCore.Hosting;
using RingCore.Log;
using RingCore.Posix;
using Vdisk.CrashTesting;

namespace Vdisk.Commands;

/// <summary><c>vdisk replay LOG --base IMAGE -o OUT</c>: the disk as it was at a record or mark, or in a state of a crash test.</summary>
internal static class ReplayCommand
{
    public static Command Build()
    {
        Argument<string> log = OptionFactory.Path("FILE", "the log that 'attach --record' made");
        Option<string> baseImage = BaseOption();
        Option<string?> at = OptionFactory.Text("--at", "N|MARK", "the disk when this record, or the one with this mark, was written; the last one if absent");
        Option<string?> state = OptionFactory.Text("--state", "SPEC", "a state as a crash test's report names it");
        var output = new Option<string>("--output", "-o") { Description = "the image file to make", HelpName = "OUT", Required = true };
        Option<bool> force = OptionFactory.Flag("--force", "replace a file that exists");
        var command = new Command("replay", "Rebuild the disk as it was at some point of a log.") { log, baseImage, at, state, output, force };
        command.Validators.Add(result =>
        {
            if (result.GetValue(at) is not null && result.GetValue(state) is not null)
            {
                result.AddError("--at and --state exclude each other");
            }
        });
        command.SetAction(parsed => Run(
            parsed.GetRequiredValue(log),
            parsed.GetRequiredValue(baseImage),
            parsed.GetValue(at),
            parsed.GetValue(state),
            Path.GetFullPath(parsed.GetRequiredValue(output)),
            parsed.GetValue(force)));
        return command;
    }

    /// <summary>The disk before the log.</summary>
    public static Option<string> BaseOption() => new("--base")
    {
        Description = "the disk as it was before it was recorded: a copy made then",
        HelpName = "IMAGE",
        Required = true,
    };

    private static int Run(string logPath, string basePath, string? at, string? spec, string output, bool force)
    {
        using var interrupted = new CancellationTokenSource();
        using var signals = new TerminationSignals(_ => interrupted.Cancel());
        NewImage.RequirePlace(output, force);
        using LogReader log = LogReader.Open(logPath);
        using PositionedFile baseImage = BaseImage.Open(basePath, log.Header);
        using var progress = new ProgressLine();
        LogIndex index = LogIndex.Load(log, share => progress.Show("reading the log", share), interrupted.Token);
        progress.Clear();
        if (log.Tail is { } tail)
        {
            Console.Error.WriteLine($"vdisk: {logPath}: {tail}");
        }

        CrashState state = spec is not null
            ? StateSpec.Parse(spec, index)
            : new CrashState(StateStart.Prefix, at is null ? index.Count : index.Find(at), []);

        // Made under another name and moved: a file of that name is replaced whole or not at all.
        string fresh = $"{output}.{Environment.ProcessId}.new";
        try
        {
            using (PositionedFile target = Create(fresh))
            {
                StateImage.Build(index, baseImage, target, state, share => progress.Show("replaying", share), interrupted.Token);
            }

            File.Move(fresh, output, overwrite: force);
        }
        finally
        {
            File.Delete(fresh);
        }

        progress.Clear();
        Console.WriteLine($"{output} is the disk {Describe(state, index)}");
        return ExitCodes.Success;
    }

    private static PositionedFile Create(string path)
    {
        try
        {
            return PositionedFile.Open(path, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Exclusive);
        }
        catch (PosixException e)
        {
            throw new UserErrorException($"{path} cannot be made: {Errno.Describe(e.Errno)}; choose another place with -o", e);
        }
    }

    private static string Describe(CrashState state, LogIndex index) =>
        state.Start == StateStart.Prefix && state.Pieces.Count == 0
            ? $"after record {state.At} of {index.Count}"
            : $"in state {StateSpec.Format(state, index)}";
}
