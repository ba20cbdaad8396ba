using Bench.Contestants;
using Bench.Measuring;
using Bench.Reports;

namespace Bench.Tests;

public class RatiosTests
{
    [TestCase(new double[] { 3 }, 3, 3, 3)]
    [TestCase(new double[] { 9, 1, 5 }, 5, 1, 9)]
    [TestCase(new double[] { 4, 1, 2, 9 }, 3, 1, 9)]
    public void A_spread_is_median_and_extremes(double[] values, double median, double min, double max) =>
        Assert.That(Spread.Of(values), Is.EqualTo(new Spread(median, min, max)));

    [Test]
    public void No_value_has_no_spread() => Assert.That(Spread.Of([]), Is.Null);

    [Test]
    public void Ours_is_compared_with_each_other_with_the_best_of_a_family_and_with_the_best_peer()
    {
        ReportContestant[] contestants =
        [
            Contestant("vdisk", ContestantKind.Ours),
            Contestant("raw", ContestantKind.Raw),
            Contestant("hp/dev", ContestantKind.Peer),
            Contestant("hp/uring", ContestantKind.Peer),
            Contestant("nbdfuse", ContestantKind.Peer),
        ];
        ReportResult[] results =
        [
            Result("vdisk", 100, 300, 200), Result("raw", 1000, 1000, 1000), Result("hp/dev", 100, 100, 100),
            Result("hp/uring", 150, 160, 170), Result("nbdfuse", 50, 50, 50),
        ];
        IReadOnlyList<ReportRatio> ratios = Ratios.Of(contestants, results);
        Assert.That(
            ratios.Select(r => (r.Against, r.Contestant, r.Throughput)),
            Is.EqualTo(
            [
                ("raw", "raw", 0.2), ("hp/dev", "hp/dev", 2.0), ("hp/uring", "hp/uring", 1.25), ("best hp", "hp/uring", 1.25),
                ("nbdfuse", "nbdfuse", 4.0), ("best peer", "hp/uring", 1.25),
            ]));
        Assert.That(ratios[1], Has.Property("Low").EqualTo(1).And.Property("High").EqualTo(3), "of one round each");
        Assert.That(ratios[1].Cpu, Is.EqualTo(1));
        Assert.That(ratios[0].Cpu, Is.Null, "the file itself has no server");
    }

    [Test]
    public void Without_ours_there_is_nothing_to_compare() =>
        Assert.That(Ratios.Of([Contestant("raw", ContestantKind.Raw)], [Result("raw", 1)]), Is.Empty);

    [Test]
    public void The_page_holds_the_figures_and_nothing_from_elsewhere()
    {
        BenchReport report = new()
        {
            StartedAt = DateTimeOffset.UnixEpoch,
            Machine = new Machine("6.18", 2, "a CPU", 0, true),
            Settings = new ReportSettings("/dev/shm", 1 << 30, 3, 5, Hog: false),
            Cases = [new ReportCase("c", "a case", false, 4096)],
            Contestants = [Contestant("vdisk", ContestantKind.Ours)],
            Results = [Result("vdisk", 123456)],
            Ratios = [],
            Notes = ["</script><b>"],
        };
        string page = HtmlReport.Of(report);
        Assert.That(page, Does.Contain("123456").And.Not.Contain("\"REPORT\"").And.Not.Contain("</script><b>"));
        Assert.That(page.Replace("http://www.w3.org/2000/svg", ""), Does.Not.Contain("http"));
    }

    private static ReportContestant Contestant(string name, ContestantKind kind) =>
        new(name, Bench.Contestants.Contestant.FamilyOf(name), kind, "", null, null);

    private static ReportResult Result(string contestant, params double[] iops) => ReportResult.Of(
        "c", contestant, [.. iops.Select((v, i) => new Sample(i, v, v * 4096, 10, 20, contestant == "raw" ? null : 5, null, null))]);
}
