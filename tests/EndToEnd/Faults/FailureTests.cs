namespace EndToEnd.Faults;

/// <summary>Requests that fail: at the scripted place, as often as said, with nothing written; everything else is served.</summary>
[Category(OnceOnly.Name)]
public sealed class FailureTests : EndToEndTest
{
    [Test]
    public void Write_fails_at_its_place_so_often_and_dd_stops_there()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("bad: on write at 64K..72K count 3 fail EIO");
        byte[] data = TestData.Random(32 * FaultyDisk.Block, seed: 2);
        for (int i = 0; i < 3; i++)
        {
            RunResult dd = disk.TryWrite(data, 0);
            Assert.That(dd.ExitCode, Is.EqualTo(1));
            Assert.That(dd.Error, Does.Contain("Input/output error").And.Contain("16+0 records out"));
        }

        Assert.That(disk.Count("bad"), Is.EqualTo((3, 3)));
        disk.Expect(data.AsSpan(0, 64 << 10), 0);
        disk.RequireImage();
        disk.TryWrite(data, 0).Succeeded();
        Assert.That(disk.Count("bad"), Is.EqualTo((3, 3)), "it is used up");
        disk.Expect(data, 0);
        disk.RequireImage();
    }

    [Test]
    public void Read_fails_in_its_range_and_nowhere_else()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("bad: on read at 1M..1028K fail EILSEQ");
        Assert.That(disk.TryRead(1 << 20, FaultyDisk.Block, out _).Error, Does.Contain("Input/output error"));
        FaultyDisk.RequireSame(disk.Read(0, 1 << 20), disk.Expected.AsSpan(0, 1 << 20), "part before");
        int behind = (1 << 20) + FaultyDisk.Block;
        FaultyDisk.RequireSame(disk.Read(behind, 1 << 20), disk.Expected.AsSpan(behind, 1 << 20), "part behind");
        Assert.That(disk.Count("bad"), Is.EqualTo((1, 1)));
        disk.RequireImage();
    }

    [Test]
    public void Full_disk_is_an_io_error_to_the_application_and_keeps_its_name_in_the_list()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("nospace: on write fail ENOSPC");
        RunResult dd = disk.TryWrite(TestData.Random(FaultyDisk.Block, seed: 3), 0);
        Assert.That(dd.Error, Does.Contain("Input/output error"), "virtio-blk has no other error for it");
        Assert.That((int)disk.Rule("nospace")["errno"]!, Is.EqualTo(Posix.ENOSPC));
        Assert.That(disk.Count("nospace"), Is.EqualTo((1, 1)));
        disk.RequireImage();
    }

    [Test]
    public void Flush_fails_and_the_data_was_written_all_the_same()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("sync: on flush count 1 fail EIO");
        byte[] data = TestData.Random(FaultyDisk.Block, seed: 4);
        RunResult dd = disk.TryWrite(data, 8192, "conv=notrunc,fsync");
        Assert.That(dd.Error, Does.Contain("fsync failed").And.Contain("Input/output error"));
        Assert.That(disk.Count("sync"), Is.EqualTo((1, 1)));
        disk.TryWrite(data, 8192, "conv=notrunc,fsync").Succeeded();
        disk.Expect(data, 8192);
        disk.RequireImage();
    }

    [TestCase("discard", "--punch-hole", "fail EOPNOTSUPP", "unsupported")]
    [TestCase("write-zeroes", "--zero-range", "fail EIO", "Input/output error")]
    public void Hole_cannot_be_made_and_keeps_its_content(string on, string how, string action, string message)
    {
        using FaultyDisk disk = new(Space);
        long before = FileState.AllocatedBytes(disk.Disk.Image);
        disk.Add($"bad: on {on} {action}");
        RunResult fallocate = Tool.Run("fallocate", how, "--offset=1MiB", "--length=64KiB", disk.DiskFile);
        Assert.That(fallocate.ExitCode, Is.EqualTo(1));
        Assert.That(fallocate.Error, Does.Contain(message));
        Assert.That(disk.Count("bad"), Is.EqualTo((1, 1)));
        Assert.That(FileState.AllocatedBytes(disk.Disk.Image), Is.EqualTo(before));
        disk.RequireImage();
        disk.Fault("clear").Succeeded();
        Tool.Run("fallocate", how, "--offset=1MiB", "--length=64KiB", disk.DiskFile).Succeeded();
        disk.Expect(new byte[64 << 10], 1 << 20);
        disk.RequireImage();
    }
}
