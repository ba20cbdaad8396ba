using RingCore.Hosting;
using RingCore.Posix;

namespace EndToEnd.SteadyState;

/// <summary>Where the threads of a busy disk end up, and who looks for work there.</summary>
public sealed class PlacementTests : EndToEndTest
{
    private const int Tries = 10;

    /// <summary>A trial that fails is over after 2 % of a run; what is more has lasted. Other work on the machine may take the rest.</summary>
    private const double LastingPart = 0.2;
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
        double spared = 0;
        for (int tries = 0; spared < LastingPart && tries < Tries; tries++)
        {
            // Alone with fio for a while: asking for statistics keeps a CPU from the disk.
            DiskStats before = disk.Stats();
            Fio.Run(disk.DiskFile, OneByOne);
            spared = SparedWakeUps(before, disk.Stats());
        }

        Assert.That(spared, Is.GreaterThanOrEqualTo(LastingPart), Space.Vdisk("stats", disk.Directory).Output);

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
            Assert.That(stats.Front.Queues.Select(q => q.Placement), Has.None.EqualTo("beside").And.None.EqualTo("apart"));
        });
    }

    [Test]
    public void A_deep_stream_is_served_by_two_threads_of_the_device()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(64 << 20));
        if (disk.Stats().Front.FuseTransport != "uring")
        {
            Assert.Ignore("over /dev/fuse twins are not used");
        }

        long throughTwins = 0;
        for (int tries = 0; throughTwins == 0 && tries < Tries; tries++)
        {
            Fio.Run(
                disk.DiskFile, "--ioengine=libaio", "--iodepth=32", "--direct=1", "--rw=randwrite", "--bs=4k", "--size=64m", "--verify=crc32c", "--do_verify=1");
            throughTwins = disk.Stats().Backend.Queues.Where(q => q.TwinOf is not null).Sum(q => q.Operations.Total.Requests);
        }

        Assert.That(throughTwins, Is.Positive, Space.Vdisk("stats", disk.Directory).Output);
    }

    [Test]
    public void Over_dev_fuse_the_queues_take_a_wandering_threads_requests_in_turns()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(32 << 20), "--poll-max-ns", "0", "--fuse", "dev");
        bool tookTurns = false;
        for (int tries = 0; !tookTurns && tries < Tries; tries++)
        {
            long[] before = Served();
            Fio.Run(disk.DiskFile, OneByOne);
            long[] served = [.. Served().Zip(before, (now, then) => now - then)];
            tookTurns = served.Min() * 3 > served.Sum(); // of two
        }

        Assert.That(tookTurns, Is.True, Space.Vdisk("stats", disk.Directory).Output);
        Assert.That(disk.Stats().Front.Queues.Select(q => q.Placement), Has.Some.EqualTo("turns"));

        long[] Served() => [.. disk.Stats().Front.Queues.Select(q => q.Operations.Total.Requests)];
    }

    [TestCase("--without-twins")]
    [TestCase("--iothreads", "1")]
    [TestCase("--affinity", "none")]
    public void There_are_no_twins_where_they_are_of_no_use(params string[] options)
    {
        using AttachedDisk disk = Space.Attach(Space.Image(32 << 20), options);
        Assert.That(disk.Stats().Backend.Queues.Select(q => q.TwinOf), Is.All.Null);
    }

    /// <summary>Of the requests from one time to another, the part for which neither a kick nor an irq was sent.</summary>
    private static double SparedWakeUps(DiskStats before, DiskStats after)
    {
        long requests = after.FrontTotal.Read.Requests - before.FrontTotal.Read.Requests;
        long kicks = after.Front.Queues.Sum(q => q.KicksSuppressed) - before.Front.Queues.Sum(q => q.KicksSuppressed);
        long irqs = after.Backend.Queues.Sum(q => q.IrqsSuppressed) - before.Backend.Queues.Sum(q => q.IrqsSuppressed);
        return (double)Math.Min(kicks, irqs) / requests;
    }
}
