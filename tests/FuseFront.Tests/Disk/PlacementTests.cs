using FuseFront.Disk;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Tests.Disk;

/// <summary>Placement follows the load, moves only on a second opinion, and stays off where there is nothing to choose.</summary>
[TestFixture]
public sealed class PlacementTests
{
    [TestCase(100, 4096, 1, 0, true, "Anywhere", ExpectedResult = "Beside", Description = "small ones, one by one: no wake-up between front and device")]
    [TestCase(100, 4096, 8, 0, true, "Together", ExpectedResult = "Beside", Description = "a few at once: the same")]
    [TestCase(100, 4096, 32, 0, true, "Together", ExpectedResult = "Apart", Description = "many at once: work for two CPUs")]
    [TestCase(100, 4096, 32, 50, true, "Apart", ExpectedResult = "Together", Description = "other queues need the other CPUs")]
    [TestCase(100, 4096, 1, 50, true, "Beside", ExpectedResult = "Together", Description = "the same")]
    [TestCase(100, 4096, 32, 0, false, "Apart", ExpectedResult = "Together", Description = "other threads need the other CPUs")]
    [TestCase(100, 65536, 32, 0, true, "Together", ExpectedResult = "Anywhere", Description = "large ones: copies")]
    [TestCase(1, 1 << 20, 1, 0, true, "Together", ExpectedResult = "Anywhere", Description = "one large one says enough")]
    [TestCase(3, 4096, 1, 0, true, "Anywhere", ExpectedResult = "Anywhere", Description = "too few to tell: stays")]
    public string Decision(long requests, long size, int depth, long others, bool fromOne, string current) =>
        Decide(requests, size, depth, others, fromOne, current, mayPoll: true, maxDepthBeside: int.MaxValue);

    [TestCase(1, true, 0, ExpectedResult = "Together", Description = "a device that takes no hints would not look for work")]
    [TestCase(32, true, 0, ExpectedResult = "Apart", Description = "there only the front looks")]
    [TestCase(2, true, 2, ExpectedResult = "Beside")]
    [TestCase(3, true, 2, ExpectedResult = "Together", Description = "as over /dev/fuse")]
    [TestCase(1, false, int.MaxValue, ExpectedResult = "Together")]
    [TestCase(32, false, int.MaxValue, ExpectedResult = "Together", Description = "sleeping on another CPU costs more than it wins")]
    public string Decision_within_limits(int depth, bool mayPoll, int maxDepthBeside) =>
        Decide(100, 4096, depth, 0, true, "Anywhere", mayPoll, maxDepthBeside);

    [TestCase(32, true, ExpectedResult = "Spread")]
    [TestCase(12, true, ExpectedResult = "Spread")]
    [TestCase(11, true, ExpectedResult = "Beside")]
    [TestCase(32, false, ExpectedResult = "Spread", Description = "nobody polls for it")]
    [TestCase(11, false, ExpectedResult = "Together")]
    public string Decision_with_a_twin(int depth, bool mayPoll) =>
        Decide(100, 4096, depth, 0, true, "Anywhere", mayPoll, int.MaxValue, hasTwin: true);

    [TestCase("Anywhere", null, ExpectedResult = "0 0 0")]
    [TestCase("Anywhere", 7000L, ExpectedResult = "7000 0 0")]
    [TestCase("Together", null, ExpectedResult = "0 0 4", Description = "on the application's CPU polling keeps it from asking")]
    [TestCase("Together", 7000L, ExpectedResult = "0 0 4")]
    [TestCase("Together", 0L, ExpectedResult = "0 0 0", Description = "forbidden")]
    [TestCase("Beside", null, ExpectedResult = "50000 50000 0")]
    [TestCase("Beside", 7000L, ExpectedResult = "7000 7000 0")]
    [TestCase("Beside", 70000L, ExpectedResult = "70000 50000 0", Description = "what is longer has to be learnt")]
    [TestCase("Apart", null, ExpectedResult = "25000 0 0")]
    [TestCase("Apart", 7000L, ExpectedResult = "7000 0 0")]
    [TestCase("Spread", 7000L, ExpectedResult = "0 0 0", Description = "the twin is served on the front's CPU")]
    public string Polling(string placement, long? pollMaxNs)
    {
        PlacedPolling polling = PlacedPolling.Of(Enum.Parse<Placement>(placement), pollMaxNs);
        return $"{polling.MaxNs} {polling.MinNs} {polling.Yields}";
    }

    [Test]
    public void A_move_needs_two_equal_decisions_and_is_told_to_the_device()
    {
        PlacedFake queue = new() { MaxDepthBeside = 0 };
        int[] allowed = queue.Place(inFlight: 1, moves: 1);
        Assert.That(queue.Followed, Is.EqualTo(new[] { Placement.Together }));
        Assert.That(queue.Hints, Is.EqualTo(new[] { PlacementHint.On(allowed[0]) }));
        Assert.That(queue.SeenCpus, Is.EqualTo(new[] { allowed[0] }));
    }

    [Test]
    public void A_shallow_queue_stays_with_the_application_and_has_the_device_beside_it()
    {
        PlacedFake queue = new();
        int[] allowed = queue.Place(inFlight: 1, moves: 1);
        Assert.That(queue.Followed, Is.EqualTo(new[] { Placement.Beside }));
        Assert.That(queue.Hints, Is.EqualTo(new[] { PlacementHint.Beside(allowed[0]) }));
        Assert.That(queue.SeenCpus, Is.EqualTo(new[] { allowed[0] }));
    }

    [Test]
    public void A_deep_queue_gives_the_applications_cpu_to_the_device_and_runs_on_the_next()
    {
        PlacedFake queue = new();
        int[] allowed = queue.Place(inFlight: 32, moves: 1);
        Assert.That(queue.Followed, Is.EqualTo(new[] { Placement.Apart }));
        Assert.That(queue.Hints, Is.EqualTo(new[] { PlacementHint.On(allowed[0]) }));
        Assert.That(queue.SeenCpus, Is.EqualTo(new[] { allowed[1] }));
    }

    [Test]
    public void A_deep_queues_twin_is_served_where_the_front_runs()
    {
        PlacedFake queue = new() { HasTwin = true };
        int[] allowed = queue.Place(inFlight: 32, moves: 1);
        Assert.That(queue.Followed, Is.EqualTo(new[] { Placement.Spread }));
        Assert.That(queue.Hints, Is.EqualTo(new[] { PlacementHint.On(allowed[0]) }));
        Assert.That(queue.TwinHints, Is.EqualTo(new[] { PlacementHint.On(allowed[1]) }));
        Assert.That(queue.SeenCpus, Is.EqualTo(new[] { allowed[1] }));
    }

    [Test]
    public void A_thread_that_waits_for_its_cpu_is_set_free()
    {
        PlacedFake queue = new() { MeanDelayNs = 1_000_000 };
        int[] allowed = queue.Place(inFlight: 32, moves: 2);
        Assert.That(queue.Followed, Is.EqualTo(new[] { Placement.Apart, Placement.Anywhere }));
        Assert.That(queue.Hints, Is.EqualTo(new[] { PlacementHint.On(allowed[0]), PlacementHint.Anywhere }));
        Assert.That(queue.SeenCpus, Is.EqualTo(allowed));
    }

    [TestCase(1, 0, Description = "a wake-up for each request")]
    [TestCase(0, 100, Description = "a tenth of a second for a request")]
    public void A_device_that_is_no_help_beside_the_application_comes_back_to_it(int wakeUpsPerRequest, int longestMs)
    {
        PlacedFake queue = new() { WakeUpsPerRequest = wakeUpsPerRequest, LongestMs = longestMs };
        int[] allowed = queue.Place(inFlight: 1, moves: 2);
        Assert.That(queue.Followed, Is.EqualTo(new[] { Placement.Beside, Placement.Together }));
        Assert.That(queue.Hints, Is.EqualTo(new[] { PlacementHint.Beside(allowed[0]), PlacementHint.On(allowed[0]) }));
        Assert.That(queue.SeenCpus, Is.EqualTo(new[] { allowed[0] }));
    }

    private static string Decide(
        long requests, long size, int depth, long others, bool fromOne, string current, bool mayPoll, int maxDepthBeside, bool hasTwin = false) =>
        PlacementPolicy.Decide(
            new QueueLoad(requests, requests * size, depth, others, fromOne), Enum.Parse<Placement>(current), mayPoll, maxDepthBeside, hasTwin).ToString();
}
