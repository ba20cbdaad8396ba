using RingCore.Hosting;

namespace EndToEnd.SteadyState;

/// <summary>The data path allocates nothing: the runtime's own counters stand still while requests go by.</summary>
public sealed class AllocationTests : EndToEndTest
{
    /// <summary>
    /// What may be allocated beside the requests in a run: two replies of the control socket, and the runtime's own
    /// threads that compile hot methods anew.
    /// </summary>
    private const long Beside = 512 << 10;

    protected override string Parent => "/dev/shm";

    [TestCase("io_uring", "--direct=1", "--rw=randrw", "--bs=4k")]
    [TestCase("io_uring", "--direct=1", "--rw=randwrite", "--bsrange=512-64k", "--blockalign=512")]
    [TestCase("io_uring", "--direct=0", "--rw=randrw", "--bsrange=512-8k", "--bs_unaligned")]
    [TestCase("threads", "--direct=1", "--rw=randrw", "--bs=4k", "--fdatasync=64")]
    public void No_collection_and_no_allocation_during_a_run(string aio, params string[] load)
    {
        using AttachedDisk disk = Space.Attach(Space.Image(64 << 20), "--queues", "2", "--aio", aio);
        string[] options =
            ["--ioengine=libaio", "--iodepth=32", "--numjobs=2", "--size=32m", "--offset_increment=32m", "--time_based", .. load];
        Fio.Run(disk.DiskFile, [.. options, "--runtime=2"]);
        DiskStats before = disk.Stats();
        Fio.Run(disk.DiskFile, [.. options, "--runtime=5"]);
        DiskStats after = disk.Stats();

        long requests = after.FrontTotal.Total.Requests - before.FrontTotal.Total.Requests;
        TestContext.Out.WriteLine(
            $"{requests} requests; allocated: front {Allocated(before.Front.Runtime, after.Front.Runtime)} bytes, "
            + $"backend {Allocated(before.Backend.Runtime, after.Backend.Runtime)} bytes");
        Assert.That(requests, Is.GreaterThan(10_000));
        Assert.Multiple(() =>
        {
            RequireStill("front", before.Front.Runtime, after.Front.Runtime);
            RequireStill("backend", before.Backend.Runtime, after.Backend.Runtime);
        });
    }

    private static long Allocated(RuntimeStats? before, RuntimeStats? after) => after!.AllocatedBytes - before!.AllocatedBytes;

    private static void RequireStill(string process, RuntimeStats? before, RuntimeStats? after)
    {
        Assert.That(after!.Gen0Collections, Is.EqualTo(before!.Gen0Collections), $"{process}: gen-0 collections");
        Assert.That(Allocated(before, after), Is.LessThan(Beside), $"{process}: bytes allocated");
    }
}
