namespace EndToEnd.Faults;

/// <summary>Conditions and states: a rule strikes when all of them hold.</summary>
[Category(OnceOnly.Name)]
public sealed class ConditionTests : EndToEndTest
{
    private const int Block = FaultyDisk.Block;

    [Test]
    public void Disk_breaks_at_its_tenth_write_and_a_flush_mends_it()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("wear: on write when start skip 9 set broken");
        disk.Add("dead: on any when broken fail EIO");
        disk.Add("mend: on flush when broken set start");
        byte[] data = TestData.Random(32 * Block, seed: 8);
        RunResult dd = disk.TryWrite(data, 0);
        Assert.That(dd.Error, Does.Contain("10+0 records out"), "the tenth itself still saw the disk as it was");
        disk.Expect(data.AsSpan(0, 10 * Block), 0);
        disk.RequireImage();
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            Assert.That(io.TryRead(new byte[Block], 0), Is.EqualTo(-Posix.EIO));

            // Rules are asked in order: "dead" ends the flush, so that "mend" would never be asked.
            Assert.That(io.Sync(), Is.EqualTo(Posix.EIO));
            Assert.That(disk.Count("mend").Hits, Is.Zero);
            disk.Fault("remove", "dead").Succeeded();
            disk.Add("dead: on any when broken fail EIO");
            Assert.That(io.Sync(), Is.EqualTo(Posix.EIO));
            Assert.That(disk.Count("mend"), Is.EqualTo((1, 1)));
            Assert.That(io.TryRead(new byte[Block], 0), Is.EqualTo(Block));
        }

        disk.RequireImage();
    }

    [Test]
    public void Size_decides_both_ends_included()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("sized: on write size 8K..16K fail EIO");
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            foreach ((int length, bool fails) in ((int, bool)[])[(4096, false), (8192, true), (16384, true), (20480, false)])
            {
                byte[] data = TestData.Random(length, seed: length);
                Assert.That(io.TryWrite(data, 0), Is.EqualTo(fails ? -Posix.EIO : length), $"{length} bytes");
                if (!fails)
                {
                    disk.Expect(data, 0);
                }
            }
        }

        Assert.That(disk.Count("sized"), Is.EqualTo((2, 2)));
        disk.RequireImage();
    }

    [Test]
    public void Every_write_is_on_one_of_the_queues()
    {
        using FaultyDisk disk = new(Space, "--queues", "2");
        disk.Add("first: on write queue 0 delay 1us");
        disk.Add("second: on write queue 1 delay 1us");
        disk.Add("all: on write delay 1us");
        disk.Write(0, 64 * Block);
        Assert.That(disk.Count("all"), Is.EqualTo((64, 64)));
        Assert.That(disk.Count("first").Hits + disk.Count("second").Hits, Is.EqualTo(64));
        disk.RequireImage();
        disk.Fault("add", "on write queue 2 drop").RefusedInOneLine(1, "can never match", "queues 0 to 1");
    }

    [Test]
    public void Rule_that_cannot_match_is_refused_and_nothing_is_changed()
    {
        using FaultyDisk disk = new(Space);
        disk.Fault("add", "on write at 8M..9M fail EIO").RefusedInOneLine(1, "can never match", "the disk ends at 8388608");
        disk.Fault("add", "on read size 16M fail EIO").RefusedInOneLine(1, "can never match", "only 8388608 bytes");
        disk.Fault("add", "on write fale EIO").RefusedInOneLine(2, "column 10", "expected");
        Assert.That(disk.Fault("list", "--json").Succeeded().Output, Does.Contain("\"rules\": []"));
        disk.Write(0, Block);
        disk.RequireImage();
    }

    [Test]
    public void Scenario_that_cannot_match_leaves_nothing_attached()
    {
        string rules = Space.Path("rules.txt");
        File.WriteAllText(rules, "on read at 1G..2G delay 1s\n");
        string log = Space.Path("disk.log");
        Space.Vdisk("attach", Space.Image(1 << 20), Space.Folder("dir"), "--faults", rules, "--record", log)
            .RefusedInOneLine(1, "can never match", "the disk ends at 1048576");
        Assert.That(File.Exists(log), Is.False, "in the way of the next try");
    }
}
