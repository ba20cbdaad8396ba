using System.Diagnostics;
using FuseFront.Disk;

namespace FuseFront.Tests.Disk;

[TestFixture]
public sealed class BesideTrialTests
{
    private static readonly long Ms = Stopwatch.Frequency / 1000;

    /// <summary>Looks every 2 ms, each with so many requests, wake-ups, and so long a request in tenths of a millisecond.</summary>
    [TestCase(11, 50, 0, 0, ExpectedResult = "OOOOOOOOOWO", Description = "a window has 20 ms")]
    [TestCase(20, 50, 10, 0, ExpectedResult = "OOOOOOOOOWOOOOOOOOOW", Description = "a wake-up in five requests")]
    [TestCase(20, 50, 15, 0, ExpectedResult = "OOOOOOOOOOOOOOOOOOOF", Description = "more than one in four, twice")]
    [TestCase(20, 50, 0, 4, ExpectedResult = "OOOOOOOOOWOOOOOOOOOW", Description = "slow, but no stall")]
    [TestCase(20, 50, 0, 8, ExpectedResult = "OOOOOOOOOOOOOOOOOOOF", Description = "a stall in each look: 0.8 ms of 2")]
    [TestCase(20, 1, 2, 0, ExpectedResult = "OOOOOOOOOOOOOOOOOOOO", Description = "too few requests to tell, so far")]
    [TestCase(32, 1, 2, 0, ExpectedResult = "OOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOF", Description = "sixteen are enough")]
    [TestCase(20, 1, 0, 100, ExpectedResult = "OOOOOOOOOOOOOOOOOOOF", Description = "few, because each takes 10 ms")]
    public string Verdicts(int looks, int requests, int wakeUps, int longest)
    {
        BesideTrial trial = new();
        trial.Begin(0, default);
        return string.Concat(Enumerable.Range(1, looks).Select(i =>
            trial.Look(i * 2 * Ms, new QueueTotals(i * requests, 0, i * wakeUps), longest * Ms / 10, 1).ToString()[0]));
    }

    [Test]
    public void Requests_that_wait_for_others_are_no_stall()
    {
        BesideTrial trial = new();
        trial.Begin(0, default);
        Assert.That(trial.Look(20 * Ms, new QueueTotals(100, 0, 0), 6 * Ms, 120), Is.EqualTo(TrialVerdict.Works));
        Assert.That(trial.Look(40 * Ms, new QueueTotals(200, 0, 0), 7 * Ms, 120), Is.EqualTo(TrialVerdict.Open));
    }

    [Test]
    public void One_bad_window_between_good_ones_does_no_harm()
    {
        BesideTrial trial = new();
        trial.Begin(0, default);
        Assert.That(trial.Look(20 * Ms, new QueueTotals(100, 0, 0), 0, 1), Is.EqualTo(TrialVerdict.Works));
        Assert.That(trial.Look(40 * Ms, new QueueTotals(200, 0, 0), 12 * Ms, 1), Is.EqualTo(TrialVerdict.Open));
        Assert.That(trial.Look(60 * Ms, new QueueTotals(300, 0, 0), 0, 1), Is.EqualTo(TrialVerdict.Works));
        Assert.That(trial.Look(80 * Ms, new QueueTotals(400, 0, 0), 12 * Ms, 1), Is.EqualTo(TrialVerdict.Open));
        Assert.That(trial.Look(100 * Ms, new QueueTotals(500, 0, 0), 12 * Ms, 1), Is.EqualTo(TrialVerdict.Fails));
    }
}
