using NUnit.Framework;
using RingCore.Statistics;

namespace RingCore.Tests.Statistics;

public class LatencyHistogramTests
{
    [Test]
    public void Empty_histogram_is_all_zeroes()
    {
        var histogram = new LatencyHistogram();
        Assert.That((histogram.Count, histogram.MaxNs, histogram.MeanNs, histogram.PercentileNs(50)), Is.EqualTo((0L, 0L, 0.0, 0L)));
    }

    [Test]
    public void Buckets_join_without_gap_or_overlap()
    {
        for (int bucket = 0; bucket + 1 < LatencyHistogram.BucketOf(long.MaxValue); bucket++)
        {
            long highest = LatencyHistogram.HighestOf(bucket);
            Assert.That(LatencyHistogram.BucketOf(highest), Is.EqualTo(bucket));
            Assert.That(LatencyHistogram.BucketOf(highest + 1), Is.EqualTo(bucket + 1));
        }
    }

    [Test]
    public void Percentile_is_at_most_a_32nd_above_the_truth([Values(1, 42)] int seed, [Values(50.0, 90.0, 99.0, 99.9, 100.0)] double percent)
    {
        var random = new Random(seed);
        var histogram = new LatencyHistogram();
        long[] durations = [.. Enumerable.Range(0, 10_000).Select(_ => (long)Math.Exp(random.NextDouble() * 25))];
        foreach (long ns in durations)
        {
            histogram.Record(ns);
        }

        Array.Sort(durations);
        long truth = durations[(int)Math.Ceiling(durations.Length * percent / 100) - 1];
        Assert.That(histogram.PercentileNs(percent), Is.InRange(truth, truth + (truth / 32) + 1));
        Assert.That(histogram.Count, Is.EqualTo(durations.Length));
        Assert.That(histogram.MaxNs, Is.EqualTo(durations[^1]));
        Assert.That(histogram.MeanNs, Is.EqualTo(durations.Average()).Within(0.001).Percent);
    }

    [TestCase(-5, 0)]
    [TestCase(0, 0)]
    [TestCase(long.MaxValue, long.MaxValue)]
    public void Outliers_are_counted(long ns, long expected)
    {
        var histogram = new LatencyHistogram();
        histogram.Record(ns);
        Assert.That(histogram.MaxNs, Is.EqualTo(expected));
        Assert.That(histogram.Count, Is.EqualTo(1));
        Assert.That(histogram.PercentileNs(50), Is.LessThanOrEqualTo(expected));
    }

    [Test]
    public void Recording_allocates_nothing()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            histogram.Record(i * 1000);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread(), Is.EqualTo(before));
    }

    [Test]
    public void Clear_forgets_everything()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(1000);
        histogram.Clear();
        Assert.That((histogram.Count, histogram.MaxNs, histogram.PercentileNs(99)), Is.EqualTo((0L, 0L, 0L)));
    }
}
