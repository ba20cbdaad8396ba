using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using RingCore.CrashTest;
using RingCore.Hosting;
using RingCore.Log;
using RingCore.Posix;
using RingCore.Units;
using Vdisk.CrashTesting;

namespace Vdisk.Commands;

/// <summary><c>vdisk crashtest LOG --base IMAGE --check 'CMD {}'</c>: checks what a power cut could have left of the disk.</summary>
internal static class CrashTestCommand
{
    private const int StandardReorderStates = 1000;
    private static readonly string[] ModeNames = ["flush", "prefix", "reorder"]; // as CrashMode

    private sealed record Request
    {
        public required string Log { get; init; }

        public required string Base { get; init; }

        public string? Check { get; init; }

        public string? MountCheck { get; init; }

        public string? MountOptions { get; init; }

        public required IReadOnlyList<CrashMode> Modes { get; init; }

        public string? From { get; init; }

        public int Limit { get; init; }

        public int Seed { get; init; }

        public int? SectorSize { get; init; }

        public int Jobs { get; init; }

        public TimeSpan Timeout { get; init; }

        public int Minimize { get; init; }

        public string? WorkFolder { get; init; }

        public string? Json { get; init; }

        public string? Html { get; init; }
    }

    public static Command Build()
    {
        Argument<string> log = OptionFactory.Path("FILE", "the log that 'attach --record' made");
        Option<string> baseImage = ReplayCommand.BaseOption();
        Option<string?> check = OptionFactory.Text("--check", "CMD", "a shell command that fails on a bad image; {} is the image");
        Option<string?> mountCheck = OptionFactory.Text(
            "--mount-check", "CMD", "as root: mount the image, and run this in its file system; {} is the mount point");
        Option<string?> mountOptions = OptionFactory.Text("--mount-options", "OPTS", "as mount -o has them; xfs and btrfs want --jobs 1 as well");
        Option<string[]> mode = ModeOption();
        Option<string?> from = OptionFactory.Text("--from", "N|MARK", "no state before this record or mark");
        Option<int> limit = OptionFactory.Number("--limit", "states of mode reorder at most, chosen by the seed", 1, 100_000_000, StandardReorderStates);
        Option<int> seed = OptionFactory.Number("--seed", "of the choice", 0, int.MaxValue, 1);
        Option<int> sector = SectorOption();
        Option<int> jobs = OptionFactory.Number("--jobs", "states checked at the same time", 1, 256, Math.Clamp(Environment.ProcessorCount, 1, 64));
        Option<Duration> timeout = OptionFactory.Time(
            "--timeout", "how long a check may take before it has failed", Duration.FromSeconds(1), Duration.FromSeconds(86_400), Duration.FromSeconds(60));
        Option<int> minimize = OptionFactory.Number("--minimize", "failing states whose smallest cause is looked for", 0, 1_000_000, 20);
        Option<string?> work = OptionFactory.Text("--work", "DIR", "where the states are built; a file system with reflinks saves room");
        Option<string?> json = OptionFactory.Text("--json", "FILE", "write a report as JSON; - is standard output");
        Option<string?> html = OptionFactory.Text("--html", "FILE", "write a report as one HTML page");
        var command = new Command("crashtest", "Check every state that a power cut could have left of a recorded disk.")
        {
            log, baseImage, check, mountCheck, mountOptions, mode, from, limit, seed, sector, jobs, timeout, minimize, work, json, html,
        };
        command.Validators.Add(result =>
        {
            if (Problem(result.GetValue(check), result.GetValue(mountCheck)) is { } problem)
            {
                result.AddError(problem);
            }
        });
        command.SetAction(parsed => Run(new Request
        {
            Log = parsed.GetRequiredValue(log),
            Base = parsed.GetRequiredValue(baseImage),
            Check = parsed.GetValue(check),
            MountCheck = parsed.GetValue(mountCheck),
            MountOptions = parsed.GetValue(mountOptions),
            Modes = [.. (parsed.GetValue(mode) ?? []) is { Length: > 0 } given ? ModesOf(given) : Enum.GetValues<CrashMode>()],
            From = parsed.GetValue(from),
            Limit = parsed.GetValue(limit),
            Seed = parsed.GetValue(seed),
            SectorSize = parsed.GetResult(sector) is null ? null : parsed.GetValue(sector),
            Jobs = parsed.GetValue(jobs),
            Timeout = parsed.GetValue(timeout).ToTimeSpan(),
            Minimize = parsed.GetValue(minimize),
            WorkFolder = parsed.GetValue(work),
            Json = parsed.GetValue(json),
            Html = parsed.GetValue(html),
        }));
        return command;
    }

    private static Option<string[]> ModeOption()
    {
        var option = new Option<string[]>("--mode")
        {
            Description = "flush: at flushes and marks; prefix: after each write; reorder: parts of what is not flushed; all if absent",
            HelpName = string.Join('|', ModeNames),
            AllowMultipleArgumentsPerToken = false,
        };
        option.Validators.Add(result =>
        {
            foreach (string word in result.Tokens.SelectMany(t => t.Value.Split(',')))
            {
                if (!ModeNames.Contains(word))
                {
                    result.AddError($"--mode '{word}' is not one of {string.Join(", ", ModeNames)}");
                }
            }
        });
        return option;
    }

    private static Option<int> SectorOption() => new("--sector")
    {
        Description = "bytes that reach the disk as one or not at all: 512, or up to the disk's block, which is the standard",
        HelpName = "BYTES",
        CustomParser = result =>
        {
            bool isNumber = int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int bytes);
            if (!isNumber || bytes < Piece.SectorSize || bytes > 1 << 20 || !System.Numerics.BitOperations.IsPow2(bytes))
            {
                result.AddError($"--sector {result.Tokens[0].Value} is impossible: use a power of two from 512 to 1048576");
            }

            return bytes;
        },
    };

    private static IEnumerable<CrashMode> ModesOf(string[] given) =>
        given.SelectMany(g => g.Split(',')).Distinct().Select(name => (CrashMode)Array.IndexOf(ModeNames, name)).Order();

    private static string? Problem(string? check, string? mountCheck) => (check, mountCheck) switch
    {
        (null, null) => "say --check 'CMD {}', --mount-check 'CMD', or both",
        ({ } command, _) when !command.Contains("{}", StringComparison.Ordinal) && !command.Contains("VDISK_IMAGE", StringComparison.Ordinal) =>
            "--check has no {}, which stands for the image",
        _ => null,
    };

    private static int Run(Request request)
    {
        using var interrupted = new CancellationTokenSource();
        using var signals = new TerminationSignals(_ => interrupted.Cancel());
        try
        {
            CrashTestRun run = Run(request, interrupted.Token);
            Report(request, run);
            return run.Passed ? ExitCodes.Success : ExitCodes.Failure;
        }
        catch (OperationCanceledException)
        {
            throw new UserErrorException("interrupted; nothing is left of the test", ExitCodes.Interrupted);
        }
    }

    private static CrashTestRun Run(Request request, CancellationToken cancel)
    {
        if (request.MountCheck is not null && !UserIds.IsRoot)
        {
            throw new UserErrorException("--mount-check needs root; use --check, for instance with e2fsck or fuse2fs");
        }

        RequireWritable(request.Json == "-" ? null : request.Json);
        RequireWritable(request.Html);
        long started = Stopwatch.GetTimestamp();
        using LogReader log = LogReader.Open(request.Log);
        using PositionedFile baseImage = BaseImage.Open(request.Base, log.Header);
        using var progress = new ProgressLine();
        LogIndex index = LogIndex.Load(log, share => progress.Show("reading the log", share), cancel);
        if (log.Tail is { } tail)
        {
            progress.Clear();
            Console.Error.WriteLine($"vdisk: {request.Log}: {tail}");
        }

        using var folder = new WorkFolder(request.WorkFolder);
        CrashOptions options = new()
        {
            Modes = request.Modes,
            Sampling = new Sampling(request.Limit, request.Seed, request.SectorSize ?? log.Header.BlockSize),
            Jobs = request.Jobs,
            From = request.From is null ? 0 : index.Find(request.From),
            Minimize = request.Minimize,
            WorkFolder = folder.Path,
        };
        CrashTester tester = new(index, baseImage, options, (job, image) => CreateCheck(request, folder, job, image))
        {
            Progress = (mode, done, failed) => progress.Show(
                $"{ModeNames[(int)mode]}: {done} states, {failed} failed", (double)done / Math.Max(1, Expected(index, mode, options))),
            MinimizeProgress = (done, all) => progress.Show($"smallest causes: {done} of {all}", (double)done / all),
        };
        CrashResults results = tester.Run(cancel);
        return new CrashTestRun
        {
            Index = index,
            LogPath = request.Log,
            BasePath = request.Base,
            Check = request.Check,
            MountCheck = request.MountCheck,
            Options = options,
            Results = results,
            Elapsed = Stopwatch.GetElapsedTime(started),
        };
    }

    private static IStateCheck CreateCheck(Request request, WorkFolder folder, int job, string image)
    {
        string own = folder.Sub($"job{job}");
        CommandCheck? check = request.Check is null
            ? null
            : new CommandCheck(request.Check, image, Path.Combine(own, "output"), directory: null, request.Timeout);
        return request.MountCheck is null
            ? check!
            : new MountCheck(request.MountCheck, own, request.MountOptions, request.Timeout, check);
    }

    /// <summary>About how many states a mode will give.</summary>
    private static long Expected(LogIndex index, CrashMode mode, CrashOptions options) => mode switch
    {
        CrashMode.Reorder => options.Sampling.Limit,
        CrashMode.Flush => Enumerable.Range(1, index.Count).Count(n => index[n].IsBarrier) * 2L,
        _ => index.Count,
    };

    private static void Report(Request request, CrashTestRun run)
    {
        if (request.Json == "-")
        {
            Console.WriteLine(JsonReport.Of(run).ToJsonString(Screen.Indented));
        }
        else
        {
            TextReport.Write(run);
        }

        if (request.Json is not (null or "-"))
        {
            WriteFile(request.Json, JsonReport.Of(run).ToJsonString(Screen.Indented));
        }

        if (request.Html is not null)
        {
            WriteFile(request.Html, HtmlReport.Of(run));
        }
    }

    private static void WriteFile(string path, string text)
    {
        try
        {
            File.WriteAllText(path, text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(path, e);
        }
    }

    /// <summary>A report is written at the end, which may be hours away: a place that takes none is refused before. Nothing is left there.</summary>
    private static void RequireWritable(string? path)
    {
        if (path is null)
        {
            return;
        }

        bool exists = PathStatus.TryRead(path, out PathStatus status) == 0;
        if (exists && !status.IsRegularFile && !status.IsDirectory)
        {
            return; // to open a pipe and close it again would end whoever reads it
        }

        try
        {
            FileOptions then = exists ? FileOptions.None : FileOptions.DeleteOnClose;
            using var probe = new FileStream(path, exists ? FileMode.Open : FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite, 1, then);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(path, e);
        }
    }

    private static UserErrorException CannotWrite(string path, Exception e) =>
        new($"report {path} cannot be written: {e.Message.TrimEnd('.')}; choose another place", e);
}
