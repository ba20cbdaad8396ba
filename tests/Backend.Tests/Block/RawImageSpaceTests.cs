using Backend.Block;
using NUnit.Framework;
using RingCore.Posix;

namespace Backend.Tests.Block;

/// <summary>Discard and write-zeroes: what reads back, and what the file system gets back.</summary>
[TestFixture]
public sealed class RawImageSpaceTests
{
    private const int Size = 1 << 20;

    [Test]
    public void Discard_frees_blocks_and_reads_zeroes(
        [Values("/tmp", "/dev/shm")] string directory, [Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine)
    {
        using var scratch = new ScratchDirectory(directory);
        string path = scratch.File("disk.img", Size);
        using var rig = new ImageRig(new RawImageOptions { Path = path, Engine = engine });
        Fill(rig);
        long before = Allocated(path);
        Assert.That(rig.Run(BlockOperation.Discard, Size / 4, Size / 2), Is.Zero);
        Assert.That(before - Allocated(path), Is.GreaterThanOrEqualTo(Size / 2));
        Assert.That(rig.Read(Size / 4, Size / 2), Is.All.Zero);
        Assert.That(rig.Read(0, Size / 4), Is.All.EqualTo(0xA5));
        Assert.That(new FileInfo(path).Length, Is.EqualTo(Size));
    }

    [Test]
    public void Discard_of_parts_of_blocks_zeroes_just_those()
    {
        using var scratch = new ScratchDirectory();
        using var rig = new ImageRig(new RawImageOptions { Path = scratch.File("disk.img", Size) });
        Fill(rig);
        Assert.That(rig.Run(BlockOperation.Discard, 512, 8192), Is.Zero);
        Assert.That(rig.Read(0, 512), Is.All.EqualTo(0xA5));
        Assert.That(rig.Read(512, 8192), Is.All.Zero);
        Assert.That(rig.Read(8704, 512), Is.All.EqualTo(0xA5));
    }

    [TestCase("/tmp", true)]
    [TestCase("/tmp", false)]
    [TestCase("/dev/shm", true)]
    [TestCase("/dev/shm", false)] // no ZERO_RANGE there: zeroes are written
    public void Write_zeroes_frees_blocks_only_where_it_may(string directory, bool mayUnmap)
    {
        using var scratch = new ScratchDirectory(directory);
        string path = scratch.File("disk.img", Size);
        using var rig = new ImageRig(new RawImageOptions { Path = path });
        Fill(rig);
        long before = Allocated(path);
        BlockRequestFlags flags = mayUnmap ? BlockRequestFlags.MayUnmap : BlockRequestFlags.None;
        Assert.That(rig.Run(BlockOperation.WriteZeroes, 4096, Size / 2, flags), Is.Zero);
        Assert.That(before - Allocated(path), mayUnmap ? Is.GreaterThanOrEqualTo(Size / 2) : Is.LessThan(Size / 4));
        Assert.That(rig.Read(4096, Size / 2), Is.All.Zero);
        Assert.That(rig.Read(0, 4096), Is.All.EqualTo(0xA5));
        Assert.That(rig.Read(4096 + (Size / 2), 4096), Is.All.EqualTo(0xA5));
    }

    [Test]
    public void Written_zeroes_of_a_large_ragged_range_are_done_in_pieces()
    {
        // Three calls of up to 4 MiB, from 64 KiB of zeroes. The fallback is forced.
        using var scratch = new ScratchDirectory();
        using var rig = new ImageRig(new RawImageOptions { Path = scratch.File("disk.img", 16 << 20), Cache = CacheMode.None });
        rig.Image.File.CanZeroRange = false;
        Assert.That(rig.Write(9 << 20, Enumerable.Repeat((byte)7, 8192).ToArray()), Is.Zero);
        Assert.That(rig.Run(BlockOperation.WriteZeroes, 512, (9 << 20) + 4096 - 512), Is.Zero);
        Assert.That(rig.Read(9 << 20, 4096), Is.All.Zero);
        Assert.That(rig.Read((9 << 20) + 4096, 4096), Is.All.EqualTo(7));
    }

    [Test]
    public void Discard_on_a_block_device_punches_the_file_behind_it()
    {
        using var scratch = new ScratchDirectory();
        string file = scratch.File("device.img", 4 << 20);
        using var device = new LoopDevice(file, 512);
        using var rig = new ImageRig(new RawImageOptions { Path = device.Path, Cache = CacheMode.None });
        Assert.That(rig.Image.Limits.CanDiscard, Is.True);
        Assert.That(rig.Write(0, Enumerable.Repeat((byte)0xA5, 2 << 20).ToArray()), Is.Zero);
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        long before = Allocated(file);
        Assert.That(rig.Run(BlockOperation.Discard, 0, 1 << 20), Is.Zero);
        Assert.That(before - Allocated(file), Is.GreaterThanOrEqualTo(1 << 20));
        Assert.That(rig.Read(0, 1 << 20), Is.All.Zero);
    }

    private static void Fill(ImageRig rig)
    {
        Assert.That(rig.Write(0, Enumerable.Repeat((byte)0xA5, Size).ToArray()), Is.Zero);
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
    }

    private static long Allocated(string path)
    {
        using FileDescriptor fd = FileDescriptor.Open(path, OpenFlags.ReadOnly);
        return FileStatus.Of(fd).Allocated;
    }
}
