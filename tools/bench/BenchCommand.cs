using System.CommandLine;
using System.Globalization;
using Bench.Cases;
using Bench.Contestants;
using RingCore.Hosting;
using RingCore.Units;

namespace Bench;

/// <summary>The command line of the benchmark.</summary>
internal static class BenchCommand
{
    private const long StandardSize = 1L << 30;
    private const long MatrixSize = 256L << 20;
    private const int StandardRounds = 5;
    private const int MatrixRounds = 3;
    private const string DirectoryStandard = "/dev/shm";

    public static RootCommand Build()
    {
        Option<bool> quick = OptionFactory.Flag("--quick", "one round of 1 s: a first look in about a minute");
        Option<bool> matrix = OptionFactory.Flag("--matrix", "our own variants beside each other: what each mechanism buys");
        Option<bool> extra = OptionFactory.Flag("--extra", "also 8 jobs, and a sparse image of 1 TiB: cost must not grow");
        Option<bool> backends = OptionFactory.Flag(
            "--backends", "only our front, over our backend and over qemu-storage-daemon, both over vhost-user: what the back end makes");
        Option<bool> hog = OptionFactory.Flag("--hog", "beside 'stress-ng --cpu 1'");
        Option<string[]> fuse = Many("--fuse", "uring|dev|auto", "FUSE's way to our disk; given twice, the ways are compared");
        fuse.AcceptOnlyFromAmong("uring", "dev", "auto");
        Option<string[]> vdisk = Many("--vdisk", "NAME=OPTIONS", "also our disk with these options of 'vdisk attach'");
        Option<string[]> peer = Many(
            "--peer",
            "NAME=COMMAND",
            "also this server: a foreground shell command in which {image}, {source} (folder with the image as 'disk'), {dir} (where to "
            + "mount) or {file} (file to mount over) stand for paths; {dir}/disk must appear");
        Option<string?> cases = OptionFactory.Text("--cases", "NAME,…", "only these cases; --list names them");
        Option<string?> contestants =
            OptionFactory.Text("--contestants", "NAME,…", "only these contestants or families; --list names them");
        Option<string?> size = OptionFactory.Text("--size", "SIZE", "data in an image (1G; 256M with --matrix)");
        Option<string?> runtime = OptionFactory.Text("--runtime", "SECONDS", "of one measurement (3; 1 with --quick)");
        Option<int> rounds = OptionFactory.Number(
            "--rounds", "in each everyone has a turn; 5, with --matrix 3, with --quick 1", 1, 1000, (int?)null);
        Option<string?> directory = OptionFactory.Text("--dir", "DIR", $"where the images lie ({DirectoryStandard})");
        Option<string?> json = OptionFactory.Text("--json", "FILE", "the figures (artifacts/bench/bench.json)");
        Option<string?> page = OptionFactory.Text("--html", "FILE", "the page with charts (artifacts/bench/bench.html)");
        Option<bool> list = OptionFactory.Flag("--list", "say which cases and contestants there are, and end");
        RootCommand root = new("Measures the virtual disk with fio, beside the file itself and other ways to serve it.")
        {
            quick, matrix, extra, backends, hog, fuse, vdisk, peer, cases, contestants, size, runtime, rounds, directory, json, page, list,
        };
        root.SetAction(parsed =>
        {
            bool isQuick = parsed.GetValue(quick), isMatrix = parsed.GetValue(matrix), isExtra = parsed.GetValue(extra);
            string[] transports = parsed.GetValue(fuse) ?? [];
            List<string> notes = [];
            IReadOnlyList<Contestant> Make(string sockets) => Lineup.Choose(
                parsed.GetValue(backends) ? [.. Lineup.Backends(transports, sockets)] :
                [
                    .. Lineup.Disks(transports, sockets),
                    .. (parsed.GetValue(vdisk) ?? []).Select(text => Lineup.Variant(text, sockets)),
                    .. isMatrix ? Lineup.Matrix(sockets) : [],
                    .. isExtra ? (Contestant[])[Lineup.Huge(transports, sockets)] : [],
                    .. isMatrix ? [] : (Contestant[])[Lineup.Raw(), .. Lineup.Installed(notes)],
                    .. (parsed.GetValue(peer) ?? []).Select(Lineup.Peer),
                ],
                Names(parsed.GetValue(contestants)));

            string[] chosen = Names(parsed.GetValue(cases));
            BenchOptions options = new()
            {
                Workloads = chosen.Length > 0 ? Workloads.Select(chosen)
                    : isMatrix ? Workloads.Matrix
                    : isExtra ? [.. Workloads.Standard, .. Workloads.Extra] : Workloads.Standard,
                Contestants = Make,
                Size = SizeOf(parsed.GetValue(size)) ?? (isMatrix ? MatrixSize : StandardSize),
                Runtime = Seconds(parsed.GetValue(runtime)) ?? TimeSpan.FromSeconds(isQuick ? 1 : 3),
                WarmUp = TimeSpan.FromSeconds(isQuick ? 0.5 : 2),
                Rounds = parsed.GetResult(rounds) is not null ? parsed.GetValue(rounds)
                    : isQuick ? 1 : isMatrix ? MatrixRounds : StandardRounds,
                Directory = parsed.GetValue(directory) ?? DirectoryStandard,
                Hog = parsed.GetValue(hog),
                JsonFile = Path.GetFullPath(parsed.GetValue(json) ?? Path.Combine(Repository.ReportFolder, "bench.json")),
                HtmlFile = Path.GetFullPath(parsed.GetValue(page) ?? Path.Combine(Repository.ReportFolder, "bench.html")),
                Notes = notes,
            };
            return parsed.GetValue(list) ? List(options) : Run(options);
        });
        return root;
    }

    private static int Run(BenchOptions options)
    {
        using CancellationTokenSource interrupted = new();
        using TerminationSignals signals = new(_ => interrupted.Cancel());
        try
        {
            new BenchRun(options, interrupted.Token).Run();
            return ExitCodes.Success;
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            throw new UserErrorException("interrupted; nothing is left mounted", ExitCodes.Interrupted);
        }
    }

    private static int List(BenchOptions options)
    {
        foreach (Workload workload in Workloads.Standard.Concat(Workloads.Extra))
        {
            Console.WriteLine($"case        {workload.Name,-28} {workload.Title}");
        }

        foreach (Contestant contestant in options.Contestants("."))
        {
            Console.WriteLine($"contestant  {contestant.Name,-28} {contestant.Description}");
        }

        return ExitCodes.Success;
    }

    private static Option<string[]> Many(string name, string helpName, string description) =>
        new(name) { Description = description, HelpName = helpName, Arity = ArgumentArity.OneOrMore };

    private static string[] Names(string? text) =>
        text?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];

    private static long? SizeOf(string? text)
    {
        const long Least = 16 << 20; // sixteen of the largest requests
        return text is null ? null
            : ByteSize.TryParse(text, out long bytes) && bytes >= Least && bytes % (1 << 20) == 0 ? bytes
            : throw new UserErrorException($"--size '{text}' is not a whole number of MiB from 16M up", ExitCodes.Usage);
    }

    private static TimeSpan? Seconds(string? text) =>
        text is null ? null
        : double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double s) && s is >= 0.1 and <= 3600
            ? TimeSpan.FromSeconds(s)
            : throw new UserErrorException($"--runtime '{text}' is not a number of seconds from 0.1 to 3600", ExitCodes.Usage);
}
