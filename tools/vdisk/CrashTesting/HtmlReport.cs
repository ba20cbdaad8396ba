using System.Globalization;
using System.Net;
using System.Text;
using RingCore.CrashTest;

namespace Vdisk.CrashTesting;

/// <summary>A crash test as one page of HTML that needs nothing else, for people.</summary>
internal static class HtmlReport
{
    private const int MaxShown = 500;

    private const string Style = """
        body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
        h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
        .pass{color:#17692b}.fail{color:#a3121a}
        table{border-collapse:collapse}td,th{padding:.25rem .9rem .25rem 0;text-align:left;border-bottom:1px solid #ddd}
        td.n{text-align:right;font-variant-numeric:tabular-nums}
        details{border:1px solid #ddd;border-radius:.4rem;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer}
        code,pre{font:13px/1.45 ui-monospace,monospace;background:#f5f5f5;border-radius:.25rem}code{padding:.1rem .3rem}
        pre{padding:.5rem .7rem;overflow-x:auto;white-space:pre-wrap}
        .strip{position:relative;height:1.6rem;background:#eef1ee;border-radius:.25rem;margin:.8rem 0}
        .strip i{position:absolute;top:0;bottom:0;width:2px;background:#c9151e}.strip b{position:absolute;top:0;bottom:0;width:1px;background:#8aa}
        @media(prefers-color-scheme:dark){body{background:#16181a;color:#ddd}code,pre{background:#24272a}td,th,details{border-color:#3a3d40}
        .pass{color:#6fce85}.fail{color:#ff7b82}.strip{background:#24272a}}
        """;

    public static string Of(CrashTestRun run)
    {
        var page = new StringBuilder();
        string verdict = run.Passed ? "passed" : "failed";
        page.Append(CultureInfo.InvariantCulture, $"""
            <!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>Crash test {verdict}: {Text(run.LogPath)}</title><style>{Style}</style></head><body>
            <h1>Crash test <span class="{(run.Passed ? "pass" : "fail")}">{verdict}</span></h1>
            <p>{run.Checked} states of {Text(run.LogPath)} ({run.Index.Count} records) on {Text(run.BasePath)} checked in {run.Elapsed.TotalSeconds:0.0} s,
            seed {run.Options.Sampling.Seed}, sectors of {run.Options.Sampling.SectorSize} bytes.</p>
            """);
        AppendChecks(page, run);
        AppendModes(page, run);
        AppendStrip(page, run);
        AppendFailures(page, run);
        return page.Append("</body></html>\n").ToString();
    }

    private static void AppendChecks(StringBuilder page, CrashTestRun run)
    {
        foreach ((string name, string? command) in (ReadOnlySpan<(string, string?)>)[("--check", run.Check), ("--mount-check", run.MountCheck)])
        {
            if (command is not null)
            {
                page.Append(CultureInfo.InvariantCulture, $"<p><code>{name} {Text(command)}</code></p>\n");
            }
        }

        if (!run.Results.BaseVerdict.Passed)
        {
            page.Append(CultureInfo.InvariantCulture, $"<p class=\"fail\">The base image itself fails the check: {Text(run.Results.BaseVerdict.ToString())}.</p>\n");
        }

        if (run.Index.Log.Tail is { } tail)
        {
            page.Append(CultureInfo.InvariantCulture, $"<p>The log was not closed: {Text(tail.ToString())}.</p>\n");
        }
    }

    private static void AppendModes(StringBuilder page, CrashTestRun run)
    {
        page.Append("<table><tr><th>mode<th>states<th>new<th>failed<th>seconds\n");
        foreach (ModeSummary mode in run.Results.Modes)
        {
            string name = mode.Mode.ToString().ToLowerInvariant();
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{name}<td class=n>{mode.States}<td class=n>{mode.Checked}<td class=\"n {(mode.Failed > 0 ? "fail" : "pass")}\">{mode.Failed}<td class=n>{mode.Seconds:0.0}\n");
        }

        page.Append("</table>\n");
    }

    /// <summary>The log from left to right: marks, and where states fail.</summary>
    private static void AppendStrip(StringBuilder page, CrashTestRun run)
    {
        page.Append("<div class=strip>");
        foreach ((int number, string text) in run.Index.Marks.Take(MaxShown))
        {
            page.Append(CultureInfo.InvariantCulture, $"<b style=\"left:{Place(run, number)}%\" title=\"#{number} {Text(text)}\"></b>");
        }

        foreach (int at in run.Results.Failures.Select(f => f.Candidate.At).Distinct().Take(MaxShown))
        {
            page.Append(CultureInfo.InvariantCulture, $"<i style=\"left:{Place(run, at)}%\" title=\"after record {at}\"></i>");
        }

        page.Append("</div>\n<p>The log from its first record to its last: marks in grey, moments with failing states in red.</p>\n");
    }

    private static string Place(CrashTestRun run, int number) =>
        (100.0 * number / Math.Max(1, run.Index.Count)).ToString("0.###", CultureInfo.InvariantCulture);

    private static void AppendFailures(StringBuilder page, CrashTestRun run)
    {
        if (run.Passed)
        {
            return;
        }

        page.Append(CultureInfo.InvariantCulture, $"<h2>{run.Results.Failures.Count} failing states</h2>\n");
        foreach (FailingState failing in run.Results.Failures.Take(MaxShown))
        {
            AppendFailure(page, run, failing);
        }

        if (run.Results.Failures.Count > MaxShown)
        {
            page.Append(CultureInfo.InvariantCulture, $"<p>{run.Results.Failures.Count - MaxShown} more are in the JSON report.</p>\n");
        }
    }

    private static void AppendFailure(StringBuilder page, CrashTestRun run, FailingState failing)
    {
        (string sentence, IReadOnlyList<string> changes) = run.Explain(failing);
        string mark = run.MarkAt(failing.Candidate.At) is { } text ? $", mark <code>{Text(text)}</code>" : "";
        page.Append(CultureInfo.InvariantCulture, $"<details><summary>{failing.Candidate.Mode.ToString().ToLowerInvariant()}, after record {failing.Candidate.At}{mark}: {Text(failing.Verdict.ToString())}</summary>\n");
        page.Append(CultureInfo.InvariantCulture, $"<p>Smallest cause: {Text(sentence)}</p>\n");
        if (changes.Count > 0)
        {
            page.Append("<ul>").AppendJoin("", changes.Select(c => $"<li>{Text(c)}")).Append("</ul>\n");
        }

        AppendCommand(page, "this state", run.RebuildCommand(failing.Candidate.State));
        if (failing.Cause is { } cause)
        {
            AppendCommand(page, "its smallest cause", run.RebuildCommand(cause.State));
        }

        if (failing.Verdict.Output.Length > 0)
        {
            page.Append(CultureInfo.InvariantCulture, $"<p>The check said:</p><pre>{Text(failing.Verdict.Output)}</pre>\n");
        }

        page.Append("</details>\n");
    }

    private static void AppendCommand(StringBuilder page, string what, string command) =>
        page.Append(CultureInfo.InvariantCulture, $"<p>To rebuild {what}:</p><pre>{Text(command)}</pre>\n");

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
