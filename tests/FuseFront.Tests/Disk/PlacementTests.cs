using FuseFront.Disk;
using RingCore.Posix;

namespace FuseFront.Tests.Disk;

/// <summary>Placement follows the load, moves only on a second opinion, and stays off where there is nothing to choose.</summary>
[TestFixture]
public sealed class PlacementTests
{
    [TestCase(100, 4096, 1, 0, true, "Anywhere", ExpectedResult = "Together", Description = "small requests: wake-ups are what costs")]
    [TestCase(100, 4096, 32, 0, true, "Together", ExpectedResult = "Apart", Description = "many at once: work for two CPUs")]
    [TestCase(100, 4096, 32, 50, true, "Apart", ExpectedResult = "Together", Description = "other queues need the other CPUs")]
    [TestCase(100, 4096, 32, 0, false, "Apart", ExpectedResult = "Together", Description = "other threads need the other CPUs")]
    [TestCase(100, 4096, 4, 0, true, "Apart", ExpectedResult = "Together", Description = "a few at once: it would sleep too often")]
    [TestCase(100, 65536, 32, 0, true, "Together", ExpectedResult = "Anywhere", Description = "large ones: copies")]
    [TestCase(1, 1 << 20, 1, 0, true, "Together", ExpectedResult = "Anywhere", Description = "one large one says enough")]
    [TestCase(3, 4096, 1, 0, true, "Anywhere", ExpectedResult = "Anywhere", Description = "too few to tell: stays")]
    public string Decision(long requests, long size, int depth, long others, bool fromOne, string current) =>
        PlacementPolicy.Decide(new QueueLoad(requests, requests * size, depth, others, fromOne), Enum.Parse<Placement>(current)).ToString();

    [Test]
    public void A_move_needs_two_equal_decisions_and_is_told_to_the_device()
    {
        (QueuePlacement? placement, List<int?> hints, List<bool> looks, int[] seen, int[] allowed) = Place(inFlight: 1);
        Assert.That(placement!.Current, Is.EqualTo(Placement.Together));
        Assert.That(placement.Moves, Is.EqualTo(1));
        Assert.That(hints, Is.EqualTo(new int?[] { allowed[0] }));
        Assert.That(looks, Is.EqualTo(new[] { false }));
        Assert.That(seen, Is.EqualTo(new[] { allowed[0] }));
    }

    [Test]
    public void A_deep_queue_gives_the_applications_cpu_to_the_device_and_looks_before_it_sleeps_on_the_next()
    {
        (QueuePlacement? placement, List<int?> hints, List<bool> looks, int[] seen, int[] allowed) = Place(inFlight: 32);
        Assert.That(placement!.Current, Is.EqualTo(Placement.Apart));
        Assert.That(hints, Is.EqualTo(new int?[] { allowed[0] }));
        Assert.That(looks, Is.EqualTo(new[] { true }));
        Assert.That(seen, Is.EqualTo(new[] { allowed[1] }));
    }

    [Test]
    public void A_thread_that_waits_for_its_cpu_is_set_free()
    {
        (QueuePlacement? placement, List<int?> hints, List<bool> looks, int[] seen, int[] allowed) = Place(inFlight: 32, meanDelayNs: 1_000_000);
        Assert.That(placement!.Current, Is.EqualTo(Placement.Anywhere));
        Assert.That(hints, Is.EqualTo(new int?[] { allowed[0], null }));
        Assert.That(looks, Is.EqualTo(new[] { true, false }));
        Assert.That(seen, Is.EqualTo(allowed));
    }

    /// <summary>Has a thread of its own placed under one load, until that should have had its effect.</summary>
    private static (QueuePlacement? Placement, List<int?> Hints, List<bool> Looks, int[] Seen, int[] Allowed) Place(int inFlight, long meanDelayNs = 0)
    {
        int[] allowed = ThreadScheduling.GetAffinity();
        if (allowed.Length < 2)
        {
            Assert.Ignore("one CPU only");
        }

        List<int?> hints = [];
        List<bool> looks = [];
        QueuePlacement? placement = null;
        int[] seen = [];
        Thread thread = new(() =>
        {
            // How long this machine lets the thread wait is none of the tests' business.
            placement = new QueuePlacement(0, () => allowed[0], () => 0, hints.Add, looks.Add, () => meanDelayNs);
            (int least, int moves) = meanDelayNs == 0 ? (4, 1) : (0, 2);
            int observations = 0;
            while (observations < least || (placement.Moves < moves && observations < 1000))
            {
                observations++;
                placement.Observe(observations * 100L, observations * 100L * 4096, inFlight, submitter: 7);
                Thread.Sleep(5); // A decision is made every 2 ms at most, a look at the delay every 20.
            }

            seen = ThreadScheduling.GetAffinity();
        });
        thread.Start();
        thread.Join();
        return (placement, hints, looks, seen, allowed);
    }
}
