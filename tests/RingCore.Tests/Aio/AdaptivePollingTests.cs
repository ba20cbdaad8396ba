using NUnit.Framework;
using RingCore.Aio;

namespace RingCore.Tests.Aio;

[TestFixture]
public sealed class AdaptivePollingTests
{
    private const long MaxNs = 32_000;

    [Test]
    public void It_grows_from_four_microseconds_by_doubling_up_to_the_bound()
    {
        AdaptivePolling polling = new(MaxNs, grow: 0, shrink: 0);
        List<long> times = [];
        for (int i = 0; i < 5; i++)
        {
            polling.Learn(polling.TimeNs + 1_000 > MaxNs ? MaxNs : polling.TimeNs + 1_000, MaxNs);
            times.Add(polling.TimeNs);
        }

        Assert.That(times, Is.EqualTo((long[])[4_000, 8_000, 16_000, 32_000, 32_000]));
    }

    [Test]
    public void A_wait_that_polling_caught_changes_nothing()
    {
        AdaptivePolling polling = new(MaxNs, grow: 0, shrink: 0);
        polling.Learn(1_000, MaxNs);
        polling.Learn(3_000, MaxNs);
        Assert.That(polling.TimeNs, Is.EqualTo(AdaptivePolling.FirstNs));
    }

    [Test]
    public void A_wait_beyond_the_bound_shrinks_to_nothing_by_default()
    {
        AdaptivePolling polling = new(MaxNs, grow: 0, shrink: 0);
        polling.Learn(1_000, MaxNs);
        polling.Learn(MaxNs + 1, MaxNs);
        Assert.That(polling.TimeNs, Is.Zero);
    }

    [Test]
    public void Grow_and_shrink_factors_are_honoured()
    {
        AdaptivePolling polling = new(MaxNs, grow: 5, shrink: 4);
        polling.Learn(1_000, MaxNs);
        polling.Learn(5_000, MaxNs);
        Assert.That(polling.TimeNs, Is.EqualTo(20_000));
        polling.Learn(MaxNs + 1, MaxNs);
        Assert.That(polling.TimeNs, Is.EqualTo(5_000));
    }

    [Test]
    public void A_bound_below_the_first_step_holds()
    {
        AdaptivePolling polling = new(1_500, grow: 0, shrink: 0);
        polling.Learn(1_000, 1_500);
        Assert.That(polling.TimeNs, Is.EqualTo(1_500));
        Assert.That(polling.Bound(700), Is.EqualTo(700));
    }

    [Test]
    public void The_largest_numbers_do_not_overflow()
    {
        AdaptivePolling polling = new(long.MaxValue, grow: long.MaxValue, shrink: 0);
        polling.Learn(1_000, long.MaxValue);
        polling.Learn(5_000, long.MaxValue);
        Assert.That(polling.TimeNs, Is.EqualTo(long.MaxValue));
    }
}
