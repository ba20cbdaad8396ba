using RingCore.Posix;

namespace EndToEnd.Data;

/// <summary>fio writes at random places and checks every block's crc32c, in every mode the image can be served.</summary>
public sealed class FioVerifyTests : EndToEndTest
{
    [Test]
    public void Random_writes_of_mixed_sizes_read_back(
        [Values("io_uring", "threads")] string aio, [Values("writeback", "none", "writethrough")] string cache)
    {
        using AttachedDisk disk = Space.Attach(Space.Image(64 << 20), "--aio", aio, "--cache", cache, "--queues", "2");
        FioReport report = Fio.Run(
            disk.DiskFile,
            "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bsrange=512-128k", "--blockalign=512", "--iodepth=32",
            "--numjobs=4", "--size=8m", "--offset_increment=8m", "--verify=crc32c");
        DiskStats stats = disk.Stats();
        Assert.Multiple(() =>
        {
            Assert.That(report.Writes, Is.GreaterThan(500));
            Assert.That(stats.Backend.Aio, Is.EqualTo(IoUring.UnavailableErrno == 0 ? aio : "threads"), "the engine in use");
            Assert.That(stats.Backend.Cache, Is.EqualTo(cache));
            Assert.That(stats.FrontTotal.Write.Bytes, Is.GreaterThanOrEqualTo(32 << 20));
        });
    }

    [TestCase("io_uring", "writeback")]
    [TestCase("threads", "none")]
    public void Unaligned_random_writes_read_back(string aio, string cache)
    {
        using AttachedDisk disk = Space.Attach(Space.Image(64 << 20), "--aio", aio, "--cache", cache, "--queues", "2");

        // Jobs that begin at odd offsets, so that their neighbours' sectors are theirs in part.
        Fio.Run(
            disk.DiskFile,
            "--ioengine=libaio", "--rw=randwrite", "--bsrange=512-64k", "--bs_unaligned", "--iodepth=32",
            "--numjobs=4", "--offset=333", "--size=4000001", "--offset_increment=4000001", "--verify=crc32c");
    }

    [Test]
    public void Many_small_queues_read_back()
    {
        using AttachedDisk disk = Space.Attach(
            Space.Image(64 << 20), "--queues", "5", "--queue-size", "16", "--iothreads", "3", "--poll-max-ns", "20000");
        Fio.Run(
            disk.DiskFile,
            "--ioengine=libaio", "--direct=1", "--rw=randrw", "--bsrange=512-1m", "--blockalign=512", "--iodepth=32",
            "--numjobs=4", "--size=8m", "--offset_increment=8m", "--verify=crc32c");
        Assert.That(disk.Stats().Backend.Queues, Has.Count.EqualTo(5));
    }

    [Test]
    public void Main_loop_serves_a_disk_without_iothreads()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(32 << 20), "--iothreads", "0");
        Fio.Run(
            disk.DiskFile,
            "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bsrange=512-128k", "--blockalign=512", "--iodepth=32",
            "--numjobs=4", "--size=4m", "--offset_increment=4m", "--verify=crc32c");
    }
}
