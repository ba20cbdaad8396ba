using System.IO.Hashing;
using System.IO.MemoryMappedFiles;

namespace EndToEnd.Data;

/// <summary>What goes in through the mount is what the image holds.</summary>
public sealed class ContentTests : EndToEndTest
{
    [Test]
    public void Hash_of_the_image_is_the_hash_of_what_was_written()
    {
        const int size = 48 << 20;
        const int piece = 777_777; // parts and whole sectors, and more than one request's worth now and then
        byte[] data = TestData.Random(size, seed: 5);
        string expected = Convert.ToHexString(XxHash3.Hash(data));
        string image = Space.Image(size);
        using (AttachedDisk disk = Space.Attach(image))
        {
            using DiskIo io = DiskIo.Open(disk.DiskFile);
            Parallel.For(0, (size + piece - 1) / piece, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
                io.Write(data.AsSpan(i * piece, Math.Min(piece, size - (i * piece))), (long)i * piece));
            Assert.That(io.Sync(), Is.Zero);
            Assert.That(FileState.Hash(disk.DiskFile), Is.EqualTo(expected), "through the mount");
            Assert.That(FileState.Hash(image), Is.EqualTo(expected), "the image after fsync");
        }

        Assert.That(FileState.Hash(image), Is.EqualTo(expected), "the image after detach");
    }

    [Test]
    public void Requests_larger_than_any_slot_are_whole()
    {
        const int size = 9 << 20;
        byte[] data = TestData.Random(size, seed: 6);
        using AttachedDisk disk = Space.Attach(Space.Image(16 << 20));
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        io.Write(data, 123);
        Assert.That(io.Read(123, size), Is.EqualTo(data));
    }

    [Test]
    public void Mapped_memory_and_the_file_show_the_same()
    {
        const int size = 1 << 20;
        string image = Space.Image(size);
        using AttachedDisk disk = Space.Attach(image);
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        using (MemoryMappedFile file = MemoryMappedFile.CreateFromFile(disk.DiskFile, FileMode.Open))
        {
            using MemoryMappedViewAccessor view = file.CreateViewAccessor();
            byte[] written = TestData.Random(10_000, seed: 7);
            view.WriteArray(5000, written, 0, written.Length);
            view.Flush(); // msync(MS_SYNC)
            Assert.That(io.Read(5000, written.Length), Is.EqualTo(written), "file after msync");
            using DiskIo direct = DiskIo.Open(image, DiskIo.ReadOnly);
            Assert.That(direct.Read(5000, written.Length), Is.EqualTo(written), "image after msync");

            byte[] newer = TestData.Random(10_000, seed: 8);
            io.Write(newer, 7000);
            byte[] seen = new byte[newer.Length];
            view.ReadArray(7000, seen, 0, seen.Length);
            Assert.That(seen, Is.EqualTo(newer), "memory after a write");
        }
    }

    [Test]
    public void Fsync_and_synchronous_writes_flush_the_image()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(1 << 20));
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            io.Write(TestData.Random(4096, seed: 9), 0);
            Assert.That(io.Sync(), Is.Zero);
        }

        long afterFsync = disk.Stats().BackendTotal.Flush.Requests;
        Assert.That(afterFsync, Is.EqualTo(1));
        using (DiskIo io = DiskIo.Open(disk.DiskFile, DiskIo.ReadWrite | DiskIo.DSync))
        {
            io.Write(TestData.Random(4096, seed: 10), 4096);
        }

        Assert.That(disk.Stats().BackendTotal.Flush.Requests, Is.EqualTo(afterFsync + 1));
    }
}
