using System.Text.Json;
using Bench.Cases;
using Bench.Contestants;
using Bench.Fio;
using Bench.Measuring;
using Bench.Reports;
using RingCore.Hosting;
using RingCore.Posix;
using Spectre.Console;
using Region = Bench.Contestants.Region;

namespace Bench;

/// <summary>
/// One run: starts every contestant on an image of its own, measures case by case in rounds in which everyone has a turn, ends
/// them all, and reports. All of them live for a whole round, warm, and those whose turn it is not must be idle: one that is
/// not is named in the report. For the next round the images change hands.
/// </summary>
internal sealed class BenchRun(BenchOptions options, CancellationToken cancel)
{
    private const double IdleShare = 0.05;
    private static readonly TimeSpan LeastIdleTime = TimeSpan.FromMilliseconds(50); // five ticks of the kernel's accounting
    private readonly IAnsiConsole _progress =
        AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });

    private readonly List<Entrant> _entrants = [];
    private readonly HashSet<string> _notes = [];
    private readonly Machine _machine = Machine.Current();

    /// <exception cref="UserErrorException">Nothing of the run is left.</exception>
    /// <exception cref="OperationCanceledException">Nothing of the run is left.</exception>
    public void Run()
    {
        DateTimeOffset started = DateTimeOffset.Now;
        RunFolder folder = new(options.Directory);
        try
        {
            IReadOnlyList<Contestant> contestants = options.Contestants(folder.Sockets);
            Preflight.Require(options, contestants);
            foreach (string warning in _machine.Warnings())
            {
                Warn(warning);
            }

            _notes.UnionWith(options.Notes);
            using (CpuHog? hog = options.Hog ? new CpuHog() : null)
            {
                WithProgress(contestants, folder);
            }

            Publish(started);
        }
        finally
        {
            End(folder);
        }
    }

    private void WithProgress(IReadOnlyList<Contestant> contestants, RunFolder folder) => _progress
        .Progress()
        .Columns(
            new TaskDescriptionColumn { Alignment = Justify.Left },
            new ProgressBarColumn(),
            new PercentageColumn(),
            new RemainingTimeColumn())
        .Start(context =>
        {
            ProgressTask start = context.AddTask("starting", maxValue: contestants.Count);
            foreach (Contestant contestant in contestants)
            {
                start.Description = $"starting {Markup.Escape(contestant.Name)}";
                Start(contestant, folder);
                start.Increment(1);
            }

            start.Description = "started and warm";
            ProgressTask measure = context.AddTask("measuring", maxValue: options.Rounds * options.Workloads.Count);
            Measure(measure);
            measure.Description = "measured";
        });

    private void Start(Contestant contestant, RunFolder folder)
    {
        ContestantFolder own = folder.Of(contestant);
        Region region = Image.Create(own.Image, options.Size, contestant.ImageLength, cancel);
        Entrant entrant = new(contestant, own, region);
        _entrants.Add(entrant);
        Start(entrant);
    }

    private void Start(Entrant entrant)
    {
        try
        {
            entrant.Start(options.WarmUp, cancel);
        }
        catch (UserErrorException e) when (!entrant.Contestant.IsRequired)
        {
            LeaveOut(entrant, e.Message);
        }
    }

    private void Measure(ProgressTask progress)
    {
        for (int round = 1; round <= options.Rounds; round++)
        {
            if (round > 1)
            {
                ChangeImages(progress);
            }

            foreach (Workload workload in options.Workloads)
            {
                double share = 1.0 / _entrants.Count;
                foreach (Entrant entrant in _entrants.ToArray())
                {
                    progress.Description = $"round {round}: {workload.Name}, {Markup.Escape(entrant.Name)}";
                    Measure(entrant, workload, round);
                    progress.Increment(share);
                }
            }
        }
    }

    private void Measure(Entrant entrant, Workload workload, int round)
    {
        cancel.ThrowIfCancellationRequested();
        try
        {
            entrant.Check();
            IReadOnlyList<(Entrant Other, TimeSpan Before)> idle =
                [.. _entrants.Where(e => e != entrant).Select(e => (e, ProcessTimes.Of(e.Serving.Processes())))];
            entrant.Add(workload, Measurement.Take(entrant.Serving, workload, entrant.Region, options.Runtime, round, cancel));
            foreach ((Entrant other, TimeSpan before) in idle)
            {
                other.SpentIdle(ProcessTimes.Of(other.Serving.Processes()) - before);
            }
        }
        catch (UserErrorException e) when (!entrant.Contestant.IsRequired)
        {
            LeaveOut(entrant, e.Message);
        }
    }

    /// <summary>Goes on without one of the standard peers or variants.</summary>
    private void LeaveOut(Entrant entrant, string why)
    {
        Warn($"{entrant.Name} is left out: {why}");
        _entrants.Remove(entrant);
        entrant.Stop();
        File.Delete(entrant.Folder.Image); // its memory is wanted
    }

    /// <summary>
    /// Gives everyone the image of the next, among those that have equal ones. How an image lies in memory, or on the medium, makes
    /// the same server faster or slower by up to a fifth where copying is all; so nobody keeps a good one.
    /// </summary>
    private void ChangeImages(ProgressTask progress)
    {
        Entrant[] equal = [.. _entrants.Where(e => e.Contestant.ImageLength is null)];
        if (equal.Length < 2)
        {
            return;
        }

        _entrants.ForEach(e => e.Stop());
        string aside = $"{equal[0].Folder.Image}.aside";
        File.Move(equal[0].Folder.Image, aside);
        for (int i = 1; i < equal.Length; i++)
        {
            File.Move(equal[i].Folder.Image, equal[i - 1].Folder.Image);
        }

        File.Move(aside, equal[^1].Folder.Image);
        foreach (Entrant entrant in _entrants.ToArray())
        {
            progress.Description = $"starting {Markup.Escape(entrant.Name)} on another image";
            Start(entrant);
        }
    }

    private void Publish(DateTimeOffset started)
    {
        TimeSpan much = TimeSpan.FromTicks(Math.Max(LeastIdleTime.Ticks, (long)(IdleShare * options.Runtime.Ticks)));
        string[] busy =
            [.. _entrants.Where(e => e.MostSpentIdle > much).Select(e => $"{e.Name} ({e.MostSpentIdle.TotalMilliseconds:0} ms)")];
        if (busy.Length > 0)
        {
            _notes.Add($"not idle in some measurement of another, CPU time taken: {string.Join(", ", busy)}");
        }

        IReadOnlyList<ReportContestant> contestants = [.. _entrants.Select(e => e.Describe())];
        IReadOnlyList<ReportResult> results = [.. options.Workloads.SelectMany(w => _entrants.Select(e => e.ResultOf(w)))];
        BenchReport report = new()
        {
            StartedAt = started,
            Commit = Repository.Commit(),
            Machine = _machine,
            Settings = new ReportSettings(options.Directory, options.Size, options.Runtime.TotalSeconds, options.Rounds, options.Hog),
            Cases = [.. options.Workloads.Select(w => new ReportCase(w.Name, w.Title, w.IsBandwidth, w.BlockSize))],
            Contestants = contestants,
            Results = results,
            Ratios = Ratios.Of(contestants, results),
            Notes = [.. _notes],
        };
        Write(options.JsonFile, JsonSerializer.Serialize(report, BenchReport.Json));
        Write(options.HtmlFile, HtmlReport.Of(report));
        Show(report);
    }

    private void Show(BenchReport report)
    {
        const int PipeWidth = 200;
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings());
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = PipeWidth;
        }

        console.Write(ResultTables.Results(report));
        if (ResultTables.Ratios(report) is { } ratios)
        {
            console.Write(ratios);
        }

        foreach (string note in report.Notes)
        {
            Console.WriteLine($"note: {note}");
        }

        Console.WriteLine($"figures: {options.JsonFile}");
        Console.WriteLine($"charts:  {options.HtmlFile}");
    }

    private void Warn(string warning)
    {
        if (_notes.Add(warning))
        {
            _progress.MarkupLineInterpolated($"[yellow]note:[/] {warning}");
        }
    }

    /// <summary>
    /// Ends what was started, the last first, and removes the images. One failure does not keep the others from ending.
    /// </summary>
    private void End(RunFolder folder)
    {
        List<Exception> failures = [];
        foreach (Entrant entrant in Enumerable.Reverse(_entrants))
        {
            try
            {
                entrant.Stop();
            }
            catch (Exception e) when (e is UserErrorException or IOException)
            {
                failures.Add(e);
            }
        }

        if (failures.Count > 0)
        {
            throw new UserErrorException($"{failures[0].Message}; what is left is below {folder.Path}", failures[0]);
        }

        folder.Remove();
    }

    private static void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
