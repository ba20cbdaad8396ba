using Backend.Block;
using NUnit.Framework;
using RingCore.Posix;

namespace Backend.Tests.Block;

/// <summary>Errors keep their number, are counted by kind, and do not disturb other requests.</summary>
[TestFixture]
public sealed unsafe class RawImageErrorTests
{
    [Test]
    public void Read_of_a_truncated_file_is_an_error_and_not_zeroes(
        [Values("/tmp", "/dev/shm")] string directory,
        [Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine,
        [Values] CacheMode cache)
    {
        using var scratch = new ScratchDirectory(directory);
        string path = scratch.File("disk.img", 1 << 20);
        using var rig = new ImageRig(new RawImageOptions { Path = path, Engine = engine, Cache = cache });
        using (FileStream file = File.OpenWrite(path))
        {
            file.SetLength(10_000); // not at a sector's end
        }

        byte* buffer = rig.Memory(8192);
        Assert.That(rig.Run(rig.Request(BlockOperation.Read, 512 << 10, 4096, buffer)), Is.EqualTo(Errno.EIO), "wholly past it");
        Assert.That(rig.Run(rig.Request(BlockOperation.Read, 8192, 8192, buffer)), Is.EqualTo(Errno.EIO), "across it");
        Assert.That(rig.Run(rig.Request(BlockOperation.Read, 0, 8192, buffer)), Is.Zero, "before it");
        Assert.That(rig.Image.Errors.Count(BlockOperation.Read, Errno.EIO), Is.EqualTo(2));
    }

    [Test]
    public void Full_tmpfs_gives_ENOSPC()
    {
        using var scratch = new ScratchDirectory();
        scratch.Mount("-t tmpfs -o size=1m tmpfs");
        using var rig = new ImageRig(new RawImageOptions { Path = scratch.File("disk.img", 4 << 20) });
        Assert.That(rig.Write(0, new byte[512 << 10]), Is.Zero);
        Assert.That(rig.Write(1 << 20, new byte[1 << 20]), Is.EqualTo(Errno.ENOSPC));
        Assert.That(rig.Write(0, new byte[4096]), Is.Zero, "other requests go on");
        Assert.That(rig.Run(BlockOperation.Discard, 0, 4 << 20), Is.Zero);
        Assert.That(rig.Write(1 << 20, new byte[512 << 10]), Is.Zero, "there is room again");
    }

    [Test]
    public void Full_file_system_gives_ENOSPC(
        [Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine, [Values] CacheMode cache)
    {
        using var scratch = new ScratchDirectory();
        string fileSystem = scratch.OuterFile("fs.img", 4 << 20);
        ScratchDirectory.Run("mkfs.ext4", $"-q {fileSystem}");
        scratch.Mount($"-o loop {fileSystem}");
        using var rig = new ImageRig(
            new RawImageOptions { Path = scratch.File("disk.img", 64 << 20), Engine = engine, Cache = cache });
        byte* buffer = rig.Memory(1 << 20);
        new Span<byte>(buffer, 1 << 20).Fill(1);
        BlockRequest[] writes =
            [.. Enumerable.Range(0, 32).Select(i => rig.Request(BlockOperation.Write, (long)i << 20, 1 << 20, buffer))];
        foreach (BlockRequest write in writes)
        {
            rig.Queue.Submit(write);
        }

        rig.Queue.Commit();
        rig.Drain();
        Assert.That(writes.Select(w => w.Error), Is.All.Zero.Or.All.AnyOf(0, Errno.ENOSPC));
        Assert.That(writes.Count(w => w.Error == Errno.ENOSPC), Is.InRange(28, 32));
        Assert.That(rig.Image.Errors.Count(BlockOperation.Write, Errno.ENOSPC), Is.InRange(28, 32));
        Assert.That(rig.Read(60 << 20, 4096), Is.All.Zero, "other requests go on");
    }

    [Test]
    public void Range_outside_the_disk_is_refused_and_does_not_grow_the_file()
    {
        using var scratch = new ScratchDirectory();
        string path = scratch.File("disk.img", 8192);
        using var rig = new ImageRig(new RawImageOptions { Path = path });
        Assert.That(rig.Write(4096, new byte[8192]), Is.EqualTo(Errno.EINVAL));
        Assert.That(rig.Run(BlockOperation.WriteZeroes, long.MaxValue, 512), Is.EqualTo(Errno.EINVAL));
        Assert.That(rig.Run(BlockOperation.Discard, 512, long.MaxValue), Is.EqualTo(Errno.EINVAL));
        Assert.That(rig.Run(rig.Request(BlockOperation.Read, -512, 512, rig.Memory(512))), Is.EqualTo(Errno.EINVAL));
        Assert.That(new FileInfo(path).Length, Is.EqualTo(8192));
    }

    [Test]
    public void Failed_flush_stays_failed()
    {
        using var scratch = new ScratchDirectory();
        using var rig = new ImageRig(new RawImageOptions { Path = scratch.File("disk.img", 8192) });
        rig.Image.File.FlushError = Errno.EIO; // as after a failed fdatasync
        Assert.That(rig.Run(BlockOperation.Flush), Is.EqualTo(Errno.EIO));
        Assert.That(rig.Run(BlockOperation.Flush), Is.EqualTo(Errno.EIO));
        Assert.That(rig.Read(0, 8192), Is.All.Zero, "reads go on");
    }

    [Test]
    public void Every_flush_and_every_queue_is_told_of_lost_data([Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine)
    {
        // A device whose medium has room for a quarter of what is written.
        using var scratch = new ScratchDirectory();
        scratch.Mount("-t tmpfs -o size=1m tmpfs");
        using var device = new LoopDevice(scratch.File("medium.img", 8 << 20), 512);
        using var rig = new ImageRig(new RawImageOptions { Path = device.Path, Engine = engine });
        using IBlockQueue other = rig.Image.OpenQueue(rig.Context);
        Assert.That(rig.Write(0, new byte[4 << 20]), Is.Zero);
        BlockRequest[] flushes = [.. Enumerable.Range(0, 3).Select(_ => rig.Request(BlockOperation.Flush, 0, 0))];
        Array.ForEach(flushes, rig.Queue.Submit);
        rig.Queue.Commit();
        rig.Drain();
        Assert.That(flushes.Select(f => f.Error), Is.All.EqualTo(Errno.EIO));

        // As if the other queue's flush had been under way at the same time.
        rig.Image.File.FlushError = 0;
        BlockRequest flush = rig.Request(BlockOperation.Flush, 0, 0);
        other.Submit(flush);
        other.Commit();
        while (other.InFlight > 0)
        {
            rig.Context.Poll(blocking: true);
        }

        Assert.That(flush.Error, Is.EqualTo(Errno.EIO));
    }

    [Test]
    public void Explicit_io_uring_is_refused_with_a_remedy_where_there_is_none()
    {
        if (IoUring.UnavailableErrno == 0)
        {
            Assert.Ignore("io_uring works here");
        }

        using var scratch = new ScratchDirectory();
        var options = new RawImageOptions { Path = scratch.File("disk.img", 8192), Engine = AioEngine.IoUring };
        Assert.That(() => RawImage.Open(options), Throws.TypeOf<ImageException>().With.Message.Contains("--aio threads"));
    }
}
