using System.Diagnostics;

namespace EndToEnd.Faults;

/// <summary>Requests that wait: not less than is said, and then they are served as if nothing had been. Only lower bounds of time are asked for.</summary>
[Category(OnceOnly.Name)]
public sealed class WaitingTests : EndToEndTest
{
    private const int Block = FaultyDisk.Block;

    [Test]
    public void Delayed_reads_take_as_long_as_they_are_delayed_and_are_right()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("slow: on read at 1M..2M every 2 delay 100ms..150ms");
        Stopwatch time = Stopwatch.StartNew();
        byte[] read = disk.Read(1 << 20, 8 * Block);
        Assert.That(time.ElapsedMilliseconds, Is.GreaterThanOrEqualTo(400));
        FaultyDisk.RequireSame(read, disk.Expected.AsSpan(1 << 20, read.Length), "content");
        Assert.That(disk.Count("slow"), Is.EqualTo((8, 4)));
        disk.RequireImage();
    }

    [Test]
    public void Fio_finds_every_block_right_on_a_disk_that_is_slow_at_random()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("slow: on any probability 5% delay 1ms..10ms");
        FioReport report = Fio.Run(
            disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bs=4k", "--iodepth=16", "--size=4m", "--verify=crc32c", "--verify_fatal=1");
        (long seen, long hits) = disk.Count("slow");
        Assert.That(seen, Is.GreaterThanOrEqualTo(report.Writes));
        Assert.That(hits, Is.Positive.And.LessThan(seen));
    }

    [Test]
    public void What_hangs_ends_when_the_window_does()
    {
        using FaultyDisk disk = new(Space);
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        Stopwatch time = Stopwatch.StartNew();
        disk.Add("window: on any to 2s hang");
        byte[] data = TestData.Random(Block, seed: 5);
        io.Write(data, 0);
        Assert.That(time.Elapsed.TotalSeconds, Is.GreaterThanOrEqualTo(2));
        Assert.That(disk.Count("window"), Is.EqualTo((1, 1)));
        io.Write(data, Block);
        Assert.That(disk.Count("window"), Is.EqualTo((1, 1)), "the window is over");
        disk.Expect(data, 0);
        disk.Expect(data, Block);
        disk.RequireImage();
    }

    [Test]
    public void What_hangs_leaves_others_alone_and_goes_on_when_the_rule_is_removed()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("stuck: on write at 0..4K hang");
        byte[] data = TestData.Random(Block, seed: 6);
        File.WriteAllBytes(Space.Path("stuck.in"), data);
        using Tool dd = Tool.Start(
            "dd", [$"if={Space.Path("stuck.in")}", $"of={disk.DiskFile}", "bs=4k", "oflag=direct", "conv=notrunc"], new Dictionary<string, string>());
        disk.Fault("wait", "stuck", "--timeout", "60s").Succeeded();
        disk.Write(Block, 8 * Block, seed: 7);
        disk.RequireImage();
        Assert.That(dd.HasExited, Is.False);
        Assert.That((int)disk.Rule("stuck")["holding"]!, Is.EqualTo(1));
        disk.Fault("remove", "stuck").Succeeded();
        dd.WaitForExit(Tool.StandardTimeout).Succeeded();
        disk.Expect(data, 0);
        disk.RequireImage();
    }

    [Test]
    public void Rate_is_not_exceeded()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("rate: on write rate 2M/s");
        Stopwatch time = Stopwatch.StartNew();
        disk.Write(0, 2 << 20);
        Assert.That(time.Elapsed.TotalSeconds, Is.GreaterThanOrEqualTo(1));
        Assert.That(disk.Count("rate"), Is.EqualTo((512, 512)));
        disk.RequireImage();
    }
}
