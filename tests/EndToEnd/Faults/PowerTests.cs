using System.Text.Json.Nodes;

namespace EndToEnd.Faults;

/// <summary>Flushes that are lies, and power cuts that rules make.</summary>
[Category(OnceOnly.Name)]
public sealed class PowerTests : EndToEndTest
{
    private const int Block = FaultyDisk.Block;

    [Test]
    public void Dropped_flush_is_answered_and_its_data_is_lost_with_the_power()
    {
        using FaultyDisk disk = new(Space, "--volatile-cache", "4M");
        disk.TryWrite(disk.Write(0, 4 * Block), 0, "conv=notrunc,fsync").Succeeded();
        disk.RequireImage();
        disk.Add("liar: on flush drop");
        disk.TryWrite(TestData.Random(4 * Block, seed: 9), 1 << 20, "conv=notrunc,fsync").Succeeded();
        Assert.That(disk.Count("liar"), Is.EqualTo((1, 1)));
        JsonNode cut = JsonNode.Parse(Space.Vdisk("powercut", disk.Disk.Directory, "--json").Succeeded().Output)!;
        Assert.That(((int)cut["lost"]!, (long)cut["lostBytes"]!), Is.EqualTo((4, 4L * Block)));
        Space.Vdisk("power", disk.Disk.Directory, "on").Succeeded();
        disk.RequireImage();
        disk.RequireDisk();
    }

    [Test]
    public void Rule_cuts_the_power_at_its_flush()
    {
        using FaultyDisk disk = new(Space, "--volatile-cache", "4M");
        disk.Add("cut: on flush skip 1 count 1 powercut");
        byte[] kept = TestData.Random(2 * Block, seed: 10);
        disk.TryWrite(kept, 0, "conv=notrunc,fsync").Succeeded();
        RunResult dd = disk.TryWrite(TestData.Random(2 * Block, seed: 11), 1 << 20, "conv=notrunc,fsync");
        Assert.That(dd.Error, Does.Contain("fsync failed").And.Contain("Input/output error"));
        Assert.That(disk.TryRead(0, Block, out _).Error, Does.Contain("Input/output error"), "until the power is on");
        Assert.That(disk.Count("cut"), Is.EqualTo((2, 1)));
        JsonNode power = JsonNode.Parse(Space.Vdisk("power", disk.Disk.Directory, "--json").Succeeded().Output)!;
        Assert.That(((string?)power["power"], (int)power["lastCut"]!["lost"]!), Is.EqualTo(("off", 2)));
        Space.Vdisk("power", disk.Disk.Directory, "on").Succeeded();
        disk.Expect(kept, 0);
        disk.RequireImage();
        disk.RequireDisk();
    }

    [Test]
    public void Torn_cut_is_told_write_by_write_and_the_image_agrees()
    {
        using FaultyDisk disk = new(Space, "--volatile-cache", "4M");
        byte[] old = [.. disk.Expected];
        byte[] data = disk.Write(0, 64 * Block);
        JsonNode cut = JsonNode.Parse(
            Space.Vdisk("powercut", disk.Disk.Directory, "--keep", "torn", "--seed", "5", "--json").Succeeded().Output)!;
        byte[] image = File.ReadAllBytes(disk.Disk.Image);
        Assert.That(cut["writes"]!.AsArray(), Has.Count.EqualTo(64));
        foreach (JsonNode? write in cut["writes"]!.AsArray())
        {
            int offset = (int)write!["offset"]!;
            long arrived = 0;
            for (int sector = offset; sector < offset + Block; sector += 512)
            {
                ReadOnlySpan<byte> found = image.AsSpan(sector, 512);
                bool isNew = found.SequenceEqual(data.AsSpan(sector, 512));
                Assert.That(isNew || found.SequenceEqual(old.AsSpan(sector, 512)), Is.True, $"sector at {sector} is neither old nor new");
                arrived += isNew ? 512 : 0;
            }

            Assert.That(arrived, Is.EqualTo((long)write["keptBytes"]!), write.ToJsonString());
        }

        FaultyDisk.RequireSame(image.AsSpan(64 * Block), old.AsSpan(64 * Block), "rest of the image");
        Space.Vdisk("power", disk.Disk.Directory, "on").Succeeded();
    }

    [Test]
    public void Killed_backend_had_served_what_came_before()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("on write skip 5 count 1 kill backend");
        byte[] data = TestData.Random(8 * Block, seed: 12);
        RunResult dd = disk.TryWrite(data, 0);
        Assert.That(dd.Error, Does.Contain("Input/output error").And.Contain("5+0 records out"));
        disk.Expect(data.AsSpan(0, 5 * Block), 0);
        disk.RequireImage();
    }
}
