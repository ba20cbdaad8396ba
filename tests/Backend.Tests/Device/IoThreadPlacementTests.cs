using Backend.Device;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Tests.Device;

[TestFixture]
public sealed class IoThreadPlacementTests
{
    private readonly int[] _all = ThreadScheduling.GetAffinity();
    private IoThread _thread = null!;
    private IoThread _other = null!;

    [SetUp]
    public void SetUp()
    {
        if (_all.Length < 2)
        {
            Assert.Ignore("one CPU only");
        }

        _thread = new IoThread(new AioContextOptions { Name = "placed" });
        _other = new IoThread(new AioContextOptions { Name = "other" });
    }

    [TearDown]
    public void TearDown()
    {
        _thread?.Dispose();
        _other?.Dispose();
    }

    [TestCase(null, "0 0", "50000 50000", "0 0")]
    [TestCase(0L, "0 0", "0 0", "0 0")]
    [TestCase(7000L, "0 0", "7000 7000", "7000 0")]
    public void Thread_goes_where_the_driver_would_have_it_and_polls_where_that_pays(long? pollMaxNs, string on, string beside, string anywhere)
    {
        IoThreadPlacement placement = new([_thread, _other], 2, pollMaxNs);
        placement.Place(0, PlacementHint.On(_all[1]));
        Assert.That((Cpus(_thread), Polling(_thread)), Is.EqualTo((string.Join(',', _all[1]), on)));
        placement.Place(0, PlacementHint.Beside(_all[0]));
        Assert.That((Cpus(_thread), Polling(_thread)), Is.EqualTo((string.Join(',', _all[1..]), beside)));
        placement.Place(0, PlacementHint.Anywhere);
        Assert.That((Cpus(_thread), Polling(_thread)), Is.EqualTo((string.Join(',', _all), anywhere)));
        Assert.That((Cpus(_other), Polling(_other)), Is.EqualTo((string.Join(',', _all), "0 0")));
    }

    [Test]
    public void A_thread_that_polls_beside_the_driver_gives_way_at_once()
    {
        IoThreadPlacement placement = new([_thread], 1, null);
        long standard = ThreadScheduling.GetSlice(_thread.ThreadId);
        placement.Place(0, PlacementHint.Beside(_all[0]));
        Assert.That(ThreadScheduling.GetSlice(_thread.ThreadId), Is.GreaterThan(standard).Or.Zero);
        Assert.That(ThreadScheduling.IsBatch(_thread.ThreadId), Is.True);
        placement.Place(0, PlacementHint.On(_all[0]));
        Assert.That(ThreadScheduling.GetSlice(_thread.ThreadId), Is.EqualTo(standard));
    }

    [Test]
    public void A_cpu_that_may_not_be_used_is_ignored()
    {
        IoThreadPlacement placement = new([_thread], 1, null);
        placement.Place(0, PlacementHint.On(ThreadScheduling.MaxCpus - 1));
        placement.Place(0, PlacementHint.On(int.MaxValue));
        Assert.That((Cpus(_thread), Polling(_thread)), Is.EqualTo((string.Join(',', _all), "0 0")));
        placement.Place(0, PlacementHint.Beside(int.MaxValue));
        Assert.That(Cpus(_thread), Is.EqualTo(string.Join(',', _all)), "beside it is everywhere");
        placement.Place(0, PlacementHint.On(int.MaxValue));
        Assert.That((Cpus(_thread), Polling(_thread)), Is.EqualTo((string.Join(',', _all), "0 0")), "polling has ended all the same");
    }

    [Test]
    public void A_thread_that_serves_several_queues_moves_but_does_not_poll()
    {
        IoThreadPlacement placement = new([_thread], 2, null);
        placement.Place(1, PlacementHint.Beside(_all[0]));
        Assert.That((Cpus(_thread), Polling(_thread)), Is.EqualTo((string.Join(',', _all[1..]), "0 0")));
    }

    [Test]
    public void Without_IOThreads_there_is_nothing_to_place() => new IoThreadPlacement([], 1, null).Place(0, PlacementHint.On(_all[0]));

    private static string Cpus(IoThread thread) => string.Join(',', ThreadScheduling.GetAffinity(thread.ThreadId));

    private static string Polling(IoThread thread) => $"{thread.Context.PollMaxNs} {thread.Context.PollMinNs}";
}
