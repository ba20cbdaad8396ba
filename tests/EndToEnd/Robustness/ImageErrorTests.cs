namespace EndToEnd.Robustness;

/// <summary>The image's own file system fails: an error to the application, one line in the log, and the rest goes on.</summary>
public sealed class ImageErrorTests : EndToEndTest
{
    [TestCase("io_uring")]
    [TestCase("threads")]
    public void Full_file_system_fails_the_write_and_nothing_else(string aio)
    {
        string small = Space.Folder("small");
        Tool.Run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small).Succeeded();
        try
        {
            using AttachedDisk disk = Space.Attach(Space.Image(64 << 20, "small/disk.img"), "--aio", aio);
            using DiskIo io = DiskIo.Open(disk.DiskFile);
            byte[] data = TestData.Random(64 << 10, seed: 12);
            List<long> written = [];
            List<long> failed = [];
            for (long offset = 0; offset < 8 << 20; offset += data.Length)
            {
                long result = io.TryWrite(data, offset);
                if (result == data.Length)
                {
                    written.Add(offset);
                }
                else
                {
                    Assert.That(result, Is.EqualTo(-Posix.EIO).Or.EqualTo(-Posix.ENOSPC));
                    failed.Add(offset);
                }
            }

            Assert.That(failed, Has.Count.GreaterThan(10));
            RequireOneLine(disk, "ENOSPC", failed[0]);
            foreach (long offset in written)
            {
                io.Write(data, offset);
                Assert.That(io.Read(offset, data.Length), Is.EqualTo(data), $"at {offset}");
            }

            // What is given back can be written elsewhere.
            Tool.Run("fallocate", "--punch-hole", "--offset", "0", "--length", "1MiB", disk.DiskFile).Succeeded();
            io.Write(data, failed[^1]);
            Assert.That(io.Sync(), Is.Zero);
        }
        finally
        {
            Tool.Run("umount", small).Succeeded();
        }
    }

    [Test]
    public void Errors_of_the_image_reach_the_application_and_the_log_once()
    {
        // The upper disk's image is the lower disk's file, which fails once its backend is killed.
        using AttachedDisk lower = Space.Attach(Space.Image(16 << 20));
        using (AttachedDisk upper = Space.Attach(lower.DiskFile, "--cache", "none"))
        {
            using DiskIo io = DiskIo.Open(upper.DiskFile);
            byte[] data = TestData.Random(4096, seed: 13);
            io.Write(data, 8192);
            Assert.That(io.Read(8192, data.Length), Is.EqualTo(data));

            LiveProcess.Signal(lower.BackendPid, LiveProcess.SigKill);
            Wait.For("the lower disk's end", () => io.TryWrite(data, 8192) < 0);
            for (int i = 0; i < 20; i++)
            {
                Assert.That(io.TryWrite(data, 8192 + (i * 4096)), Is.EqualTo(-Posix.EIO));
            }

            RequireOneLine(upper, "EIO", 8192);
            Assert.That(upper.Stats().Backend.ClientConnected, Is.True, "the disk lives");
        }
    }

    private static void RequireOneLine(AttachedDisk disk, string errno, long offset)
    {
        string[] lines = [.. disk.BackendLog.Split('\n').Where(l => l.Contains(" ERROR ", StringComparison.Ordinal))];
        Assert.That(lines, Has.Length.EqualTo(1), disk.BackendLog);
        Assert.That(lines[0], Does.Contain(errno).And.Contain($"offset {offset}").And.Contain(disk.Image));
    }
}
