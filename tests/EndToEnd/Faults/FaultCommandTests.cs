using System.Text.Json.Nodes;

namespace EndToEnd.Faults;

/// <summary>The commands about faults, on a disk that is in use.</summary>
[Category(OnceOnly.Name)]
public sealed class FaultCommandTests : EndToEndTest
{
    [Test]
    public void Rule_strikes_what_it_says_and_is_counted()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(16 << 20), "--fault-seed", "7");
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        Fault(disk, "add", "bad: on write at 1M..2M count 3 fail EIO");
        byte[] data = TestData.Random(4096, seed: 1);
        Assert.That(io.TryWrite(data, 0), Is.EqualTo(data.Length), "outside the range");
        for (int i = 0; i < 3; i++)
        {
            Assert.That(io.TryWrite(data, 1 << 20), Is.EqualTo(-Posix.EIO));
        }

        Assert.That(io.TryWrite(data, 1 << 20), Is.EqualTo(data.Length), "three times it was");
        string json = Space.Vdisk("fault", "list", disk.Directory, "--json").Succeeded().Output;
        JsonObject list = JsonNode.Parse(json)!.AsObject();
        Assert.That((long)list["seed"]!, Is.EqualTo(7));
        JsonObject rule = list["rules"]!.AsArray().Single()!.AsObject();
        Assert.That(((long)rule["seen"]!, (long)rule["hits"]!), Is.EqualTo((3, 3)));
        Fault(disk, "wait", "bad", "--hits", "3", "--timeout", "10s");
        Fault(disk, "remove", "bad");
    }

    [Test]
    public void Waiting_in_vain_is_one_line()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(16 << 20));
        Fault(disk, "add", "never: on write from 10m fail EIO");
        Space.Vdisk("fault", "wait", disk.Directory, "never", "--timeout", "100ms")
            .RefusedInOneLine(1, "has struck 0 of 1 times in 0.1 s");
    }

    [Test]
    public void Wrong_rule_is_pointed_at()
    {
        string file = Space.Path("bad.txt");
        File.WriteAllText(file, "on read delay 1ms\non write at 2M..1M drop\n");
        RunResult check = Space.Vdisk("fault", "check", file);
        Assert.That(check.ExitCode, Is.EqualTo(1));
        Assert.That(check.ErrorLines[0], Is.EqualTo($"{file}:2: column 17: expected an end greater than 2M but found '1M'"));
        Space.Vdisk("attach", Space.Image(16 << 20), Space.Folder("dir"), "--faults", file).RefusedInOneLine(1, "column 17");
    }

    [Test]
    public void Power_cut_loses_what_was_not_flushed_and_only_that()
    {
        string image = Space.Image(16 << 20);
        using AttachedDisk disk = Space.Attach(image, "--volatile-cache", "8M");
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        byte[] stable = TestData.Random(4096, seed: 1);
        byte[] loose = TestData.Random(4096, seed: 2);
        Assert.That(io.TryWrite(stable, 0), Is.EqualTo(4096));
        io.Sync();
        Assert.That(io.TryWrite(loose, 4096), Is.EqualTo(4096));
        JsonObject report = JsonNode.Parse(Space.Vdisk("powercut", disk.Directory, "--json").Succeeded().Output)!.AsObject();
        Assert.That(((int)report["unflushed"]!, (int)report["lost"]!), Is.EqualTo((1, 1)));
        Assert.That(io.TryWrite(loose, 8192), Is.EqualTo(-Posix.EIO));
        Space.Vdisk("power", disk.Directory, "on").Succeeded();
        Assert.That(io.Read(0, 4096).AsSpan().SequenceEqual(stable), Is.True);
        Assert.That(io.Read(4096, 4096), Is.All.Zero);
    }

    [Test]
    public void Killed_backend_is_dead_and_can_be_detached()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(16 << 20));
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            Fault(disk, "add", "on write skip 2 count 1 kill backend");
            byte[] data = new byte[4096];
            Assert.That(io.TryWrite(data, 0), Is.EqualTo(4096));
            Assert.That(io.TryWrite(data, 0), Is.EqualTo(4096));
            Assert.That(io.TryWrite(data, 0), Is.EqualTo(-Posix.EIO));
        }

        Assert.That(disk.BackendLog, Does.Contain("the backend kills itself"));
    }

    private void Fault(AttachedDisk disk, string command, params string[] arguments) =>
        Space.Vdisk(["fault", command, disk.Directory, .. arguments]).Succeeded();
}
