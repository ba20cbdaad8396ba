namespace EndToEnd.Faults;

/// <summary>What happens around requests: interrupts, the serial, clients that connect.</summary>
[Category(OnceOnly.Name)]
public sealed class DeviceEventTests : EndToEndTest
{
    [Test]
    public void Spurious_interrupts_change_nothing()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("ghost: on irq probability 10% spurious");
        Fio.Run(
            disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randrw", "--bsrange=512-64k", "--iodepth=8", "--size=8m", "--verify=crc32c",
            "--verify_fatal=1");
        (long seen, long hits) = disk.Count("ghost");
        Assert.That(hits, Is.Positive.And.LessThan(seen));
    }

    [TestCase("fail EIO")]
    [TestCase("corrupt 1 bit")]
    public void Disk_whose_serial_cannot_be_had_serves_all_the_same(string action)
    {
        string rules = Space.Path("rules.txt");
        File.WriteAllText(rules, $"id: on get-id {action}\n");
        using FaultyDisk disk = new(Space, "--faults", rules);
        Assert.That(disk.Count("id"), Is.EqualTo((1, 1)));
        disk.Write(0, FaultyDisk.Block);
        disk.RequireImage();
    }

    [Test]
    public void Client_that_is_sent_away_is_one_line_and_leaves_nothing()
    {
        string rules = Space.Path("rules.txt");
        File.WriteAllText(rules, "away: on connect count 1 drop\n");
        string image = Space.Image(1 << 20);
        string log = Space.Path("disk.log");
        string folder = Space.Folder("dir");
        Space.Vdisk("attach", image, folder, "--faults", rules, "--record", log).RefusedInOneLine(1, "closed the connection", "see its log");
        Assert.That(Directory.EnumerateFileSystemEntries(folder), Is.Empty);
        Assert.That(File.Exists(log), Is.False, "nothing was recorded, and it would be in the way of the next try");
    }
}
