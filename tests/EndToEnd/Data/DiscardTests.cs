namespace EndToEnd.Data;

/// <summary>Punched holes give their blocks back; zeroed ranges keep them; both read as zeros.</summary>
public sealed class DiscardTests : EndToEndTest
{
    private const int Size = 8 << 20;

    [TestCase("io_uring", "writeback")]
    [TestCase("threads", "none")]
    public void Punching_a_hole_frees_blocks_and_reads_as_zeros(string aio, string cache)
    {
        (byte[] data, string image, AttachedDisk disk) = AttachFull("--aio", aio, "--cache", cache);
        using (disk)
        {
            long before = FileState.AllocatedBytes(image);
            Tool.Run("fallocate", "--punch-hole", "--offset", "1MiB", "--length", "4MiB", disk.DiskFile).Succeeded();
            Array.Clear(data, 1 << 20, 4 << 20);
            Assert.That(FileState.AllocatedBytes(image), Is.LessThanOrEqualTo(before - (4 << 20)));
            RequireContent(disk, data);
            Assert.That(disk.Stats().BackendTotal.Discard.Bytes, Is.EqualTo(4 << 20));
        }
    }

    [Test]
    public void Unaligned_hole_keeps_its_neighbours()
    {
        (byte[] data, _, AttachedDisk disk) = AttachFull();
        using (disk)
        {
            (int Offset, int Length)[] holes = [(1_000_001, 1_000_003), (5_000_000, 7), (6_000_001, 600)];
            foreach ((int offset, int length) in holes)
            {
                Tool.Run("fallocate", "--punch-hole", "--offset", $"{offset}", "--length", $"{length}", disk.DiskFile).Succeeded();
                Array.Clear(data, offset, length);
            }

            RequireContent(disk, data);
        }
    }

    [Test]
    public void Zeroed_range_reads_as_zeros_and_stays_allocated()
    {
        (byte[] data, string image, AttachedDisk disk) = AttachFull();
        using (disk)
        {
            long before = FileState.AllocatedBytes(image);
            Tool.Run("fallocate", "--zero-range", "--offset", "1048577", "--length", "2097152", disk.DiskFile).Succeeded();
            Array.Clear(data, 1048577, 2097152);
            RequireContent(disk, data);
            Assert.That(FileState.AllocatedBytes(image), Is.GreaterThanOrEqualTo(before));
            Assert.That(disk.Stats().BackendTotal.WriteZeroes.Requests, Is.GreaterThan(0));
        }
    }

    private (byte[] Data, string Image, AttachedDisk Disk) AttachFull(params string[] options)
    {
        string image = Space.Image(Size);
        AttachedDisk disk = Space.Attach(image, options);
        byte[] data = TestData.Random(Size, seed: 4);
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        io.Write(data, 0);
        Assert.That(io.Sync(), Is.Zero);
        return (data, image, disk);
    }

    private static void RequireContent(AttachedDisk disk, byte[] data)
    {
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        Assert.That(io.Read(0, data.Length).AsSpan().SequenceEqual(data), Is.True);
    }
}
