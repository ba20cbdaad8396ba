using RingCore.Hosting;
using RingCore.Posix;

namespace EndToEnd.SteadyState;

/// <summary>Where the threads of a busy disk end up, and who looks for work there.</summary>
public sealed class PlacementTests : EndToEndTest
{
    private const int Tries = 10;
    private static readonly string[] OneByOne = ["--ioengine=psync", "--direct=1", "--rw=randread", "--bs=4k", "--time_based", "--runtime=2"];

    [SetUp]
    public void SetUp()
    {
        if (ThreadScheduling.GetAffinity().Length < 2)
        {
            Assert.Ignore("one CPU only");
        }
    }

    [Test]
    public void A_stream_of_single_requests_is_served_by_polling_beside_the_application()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(32 << 20));
        DiskStats stats;
        int tries = 0;
        do
        {
            // Alone with fio for a while: asking for statistics keeps a CPU from the disk.
            Fio.Run(disk.DiskFile, OneByOne);
            stats = disk.Stats();
        }
        while (!IsServedByPolling(stats) && ++tries < Tries);
        Assert.That(IsServedByPolling(stats), Is.True, Space.Vdisk("stats", disk.Directory).Output);

        // Nobody asks for anything: nobody looks for anything.
        long misses = -1;
        Wait.For("rest", () =>
        {
            DiskStats stats = disk.Stats();
            long before = misses;
            misses = stats.Front.Queues.Sum(q => q.PollMisses) + stats.Backend.Queues.Sum(q => q.PollMisses);
            return misses == before;
        });
    }

    [Test]
    public void Nobody_polls_when_that_is_forbidden()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(32 << 20), "--poll-max-ns", "0");
        Fio.Run(disk.DiskFile, OneByOne);
        DiskStats stats = disk.Stats();
        Assert.Multiple(() =>
        {
            Assert.That(stats.Front.Queues.Sum(q => q.PollHits + q.PollMisses), Is.Zero);
            Assert.That(stats.Backend.Queues.Sum(q => q.PollHits + q.PollMisses), Is.Zero);
            Assert.That(stats.Front.Queues.Select(q => q.Placement), Has.Some.EqualTo("together").And.None.EqualTo("beside"));
        });
    }

    /// <summary>More than a thousand requests for which nobody woke anybody.</summary>
    private static bool IsServedByPolling(DiskStats stats) =>
        stats.Front.Queues.Sum(q => q.PollHits) > 1000
        && stats.Backend.Queues.Sum(q => q.PollHits) > 1000
        && stats.Front.Queues.Sum(q => q.KicksSuppressed) > 1000
        && stats.Backend.Queues.Sum(q => q.IrqsSuppressed) > 1000;
}
