using System.Globalization;
using RingCore.CrashTest;
using Spectre.Console;
using Vdisk.Commands;

namespace Vdisk.CrashTesting;

/// <summary>A crash test's result on the terminal.</summary>
internal static class TextReport
{
    private const int MaxShown = 5;

    public static void Write(CrashTestRun run)
    {
        IAnsiConsole screen = Screen.Create();
        Table table = new Table().Border(TableBorder.Simple).AddColumn("mode");
        foreach (string column in (ReadOnlySpan<string>)["states", "new", "failed", "seconds"])
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (ModeSummary mode in run.Results.Modes)
        {
            table.AddRow(
                new Text(mode.Mode.ToString().ToLowerInvariant()),
                new Text(Number(mode.States)),
                new Text(Number(mode.Checked)),
                new Text(Number(mode.Failed), mode.Failed > 0 ? new Style(Color.Red) : new Style(Color.Green)),
                new Text(mode.Seconds.ToString("0.0", CultureInfo.InvariantCulture)));
        }

        screen.Write(table);
        if (!run.Results.BaseVerdict.Passed)
        {
            Console.WriteLine($"the base image itself fails the check ({run.Results.BaseVerdict}); --from MARK leaves out what comes before MARK");
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Number(run.Checked)} states checked in {run.Elapsed.TotalSeconds:0.0} s, seed {run.Options.Sampling.Seed}: {Outcome(run)}"));
        foreach (FailingState failing in Telling(run.Results.Failures).Take(MaxShown))
        {
            WriteFailure(run, failing);
        }

        if (run.Results.Failures.Count > MaxShown)
        {
            Console.WriteLine($"\n{run.Results.Failures.Count - MaxShown} more: see --html or --json");
        }
    }

    /// <summary>Those first whose cause is a change of the disk, then those with another cause, then the rest.</summary>
    private static IEnumerable<FailingState> Telling(IEnumerable<FailingState> failures) =>
        failures.OrderBy(f => f.Cause is null ? 2 : f.Cause.Applied.Count + f.Cause.Lost.Count > 0 ? 0 : 1);

    private static void WriteFailure(CrashTestRun run, FailingState failing)
    {
        (string sentence, IReadOnlyList<string> changes) = run.Explain(failing);
        string mark = run.MarkAt(failing.Candidate.At) is { } text ? $", mark '{text}'" : "";
        Console.WriteLine($"\n{failing.Candidate.Mode.ToString().ToLowerInvariant()}, after record {failing.Candidate.At}{mark}: {failing.Verdict}");
        if (failing.Verdict.Output.Length > 0)
        {
            Console.WriteLine($"  the check said: {failing.Verdict.Output.Split('\n')[0]}");
        }

        Console.WriteLine($"  smallest cause: {sentence}");
        foreach (string change in changes.Take(10))
        {
            Console.WriteLine($"    {change}");
        }

        if (changes.Count > 10)
        {
            Console.WriteLine($"    and {changes.Count - 10} more");
        }

        Console.WriteLine($"  rebuild: {run.RebuildCommand(failing.Cause?.State ?? failing.Candidate.State)}");
    }

    private static string Outcome(CrashTestRun run) => run.Passed ? "all passed" : $"{Number(run.Results.Failures.Count)} failed";

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
