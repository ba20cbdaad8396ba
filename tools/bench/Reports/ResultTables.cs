using Bench.Contestants;
using Spectre.Console;

namespace Bench.Reports;

/// <summary>The run as tables for the terminal.</summary>
internal static class ResultTables
{
    /// <summary>Every figure: one row a case and contestant.</summary>
    public static Table Results(BenchReport report)
    {
        Table table = new Table { Border = TableBorder.Rounded, Title = new TableTitle("medians (lowest–highest round)") }
            .AddColumn("case").AddColumn("contestant");
        foreach (string title in (string[])["throughput", "spread", "p50", "p99", "CPU µs/req", "kicks/req", "irqs/req"])
        {
            table.AddColumn(new TableColumn(title).RightAligned());
        }

        foreach (ReportCase @case in report.Cases)
        {
            string first = @case.Title;
            foreach (ReportResult result in report.Results.Where(r => r.Case == @case.Name))
            {
                bool ours = report.Contestants.First(c => c.Name == result.Contestant).Kind == ContestantKind.Ours;
                table.AddRow(Row(@case, result, first, ours));
                first = "";
            }

            table.AddEmptyRow();
        }

        return table;
    }

    /// <summary>Our first disk's throughput by that of each other; null when there is nobody to compare with.</summary>
    public static Table? Ratios(BenchReport report)
    {
        string[] against = [.. report.Ratios.Select(r => r.Against).Distinct()];
        if (against.Length == 0)
        {
            return null;
        }

        Table table = new Table
        {
            Border = TableBorder.Rounded,
            Title = new TableTitle($"throughput of {report.Ratios[0].Subject} ÷ that of …"),
        }.AddColumn("");
        foreach (ReportCase @case in report.Cases)
        {
            table.AddColumn(new TableColumn(Markup.Escape(@case.Name)).RightAligned());
        }

        foreach (string title in against)
        {
            table.AddRow([Markup.Escape(title), .. report.Cases.Select(c => Cell(report.Ratios, c.Name, title))]);
        }

        return table;
    }

    private static string[] Row(ReportCase @case, ReportResult result, string title, bool ours)
    {
        string Throughput(double iops, double bytes) => Figures.Throughput(iops, bytes, @case.IsBandwidth);
        string median = Throughput(result.Iops.Median, result.BytesPerSecond.Median);
        string contestant = Markup.Escape(result.Contestant);
        string low = Throughput(result.Iops.Min, result.BytesPerSecond.Min);
        return
        [
            Markup.Escape(title),
            ours ? $"[bold]{contestant}[/]" : contestant,
            ours ? $"[bold]{median}[/]" : median,
            result.Samples.Count == 1 ? "–" : $"{low}–{Throughput(result.Iops.Max, result.BytesPerSecond.Max)}",
            Figures.Latency(result.P50Us.Median),
            Figures.Latency(result.P99Us.Median),
            Figures.Median(result.CpuUsPerRequest),
            Figures.Median(result.KicksPerRequest),
            Figures.Median(result.IrqsPerRequest),
        ];
    }

    private static string Cell(IReadOnlyList<ReportRatio> ratios, string @case, string title)
    {
        ReportRatio? ratio = ratios.FirstOrDefault(r => r.Case == @case && r.Against == title);
        if (ratio is null)
        {
            return "–";
        }

        string colour = ratio.Throughput >= 1 ? "green" : "yellow";
        return $"[{colour}]{Figures.Ratio(ratio.Throughput)}[/]";
    }
}
