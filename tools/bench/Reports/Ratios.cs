using Bench.Contestants;
using Bench.Measuring;

namespace Bench.Reports;

/// <summary>Our first disk against each other contestant, the best of each family, and the best peer of all.</summary>
internal static class Ratios
{
    public const string BestPeer = "best peer";

    public static IReadOnlyList<ReportRatio> Of(IReadOnlyList<ReportContestant> contestants, IReadOnlyList<ReportResult> results)
    {
        ReportContestant? subject = contestants.FirstOrDefault(c => c.Kind == ContestantKind.Ours);
        if (subject is null)
        {
            return [];
        }

        List<ReportRatio> ratios = [];
        foreach (IGrouping<string, ReportResult> ofCase in results.GroupBy(r => r.Case))
        {
            ReportResult? ours = ofCase.FirstOrDefault(r => r.Contestant == subject.Name);
            if (ours is null)
            {
                continue;
            }

            foreach ((string title, IReadOnlyList<string> members) in Columns(subject, contestants))
            {
                ReportResult? best = ofCase.Where(r => members.Contains(r.Contestant)).MaxBy(r => r.Iops.Median);
                if (best is not null)
                {
                    ratios.Add(Between(ours, best, title));
                }
            }
        }

        return ratios;
    }

    /// <summary>What is compared with, and who it may be.</summary>
    private static IEnumerable<(string Title, IReadOnlyList<string> Members)> Columns(
        ReportContestant subject, IReadOnlyList<ReportContestant> contestants)
    {
        IReadOnlyList<ReportContestant> others = [.. contestants.Where(c => c != subject)];
        foreach (IGrouping<string, ReportContestant> family in others.GroupBy(c => c.Family))
        {
            foreach (ReportContestant member in family)
            {
                yield return (member.Name, [member.Name]);
            }

            if (family.Count() > 1 && family.First().Kind == ContestantKind.Peer)
            {
                yield return ($"best {family.Key}", [.. family.Select(c => c.Name)]);
            }
        }

        string[] peers = [.. others.Where(c => c.Kind == ContestantKind.Peer).Select(c => c.Name)];
        if (peers.Length > 0)
        {
            yield return (BestPeer, peers);
        }
    }

    private static ReportRatio Between(ReportResult ours, ReportResult other, string title)
    {
        Spread byRound = Spread.Of(
            ours.Samples.Join(other.Samples, s => s.Round, s => s.Round, (a, b) => a.Iops / b.Iops)) ?? default;
        return new ReportRatio(
            ours.Case,
            ours.Contestant,
            title,
            other.Contestant,
            ours.Iops.Median / other.Iops.Median,
            byRound.Min,
            byRound.Max,
            ours.P99Us.Median / other.P99Us.Median,
            other.CpuUsPerRequest is { Median: > 0 } cpu ? ours.CpuUsPerRequest?.Median / cpu.Median : null);
    }
}
