using Backend.Block;
using NUnit.Framework;
using RingCore.Posix;

namespace Backend.Tests.Block;

/// <summary>How requests go: inline or not, in batches, in pieces, without garbage.</summary>
[TestFixture]
public sealed unsafe class RawImageQueueTests
{
    private const int Size = 1 << 20;
    private ScratchDirectory _disk = null!;
    private ScratchDirectory _memory = null!;

    [SetUp]
    public void SetUp()
    {
        _disk = new ScratchDirectory("/tmp");
        _memory = new ScratchDirectory("/dev/shm");
    }

    [TearDown]
    public void TearDown()
    {
        _disk.Dispose();
        _memory.Dispose();
    }

    [Test]
    public void Image_in_memory_completes_everything_but_deallocation_inline([Values] CacheMode cache)
    {
        using ImageRig rig = Open(_memory, cache: cache);
        Assert.That(rig.Write(512, [.. Enumerable.Range(0, 1024).Select(i => (byte)i)], BlockRequestFlags.ForceUnitAccess), Is.Zero);
        Assert.That(rig.Read(0, Size), Has.Length.EqualTo(Size));
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        Assert.That(rig.Statistics.InlineCompletions, Is.EqualTo(3));
        Assert.That(rig.Statistics.AsyncSubmissions, Is.Zero);
    }

    [Test]
    public void Cached_reads_and_whole_page_writes_complete_inline()
    {
        using ImageRig rig = Open(_disk);
        Assert.That(rig.Write(0, new byte[Size]), Is.Zero);
        rig.Read(512, 1024);
        rig.Read(0, Size);
        Assert.That(rig.Statistics.InlineCompletions, Is.EqualTo(3));
        Assert.That(rig.Statistics.AsyncSubmissions, Is.Zero);
    }

    [Test]
    public void Cold_read_goes_to_the_engine([Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine)
    {
        using ImageRig rig = Open(_disk, engine);
        Assert.That(rig.Write(0, Enumerable.Repeat((byte)9, Size).ToArray()), Is.Zero);
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        PageCache.Drop(Path.Combine(_disk.Path, "disk.img"));
        long before = rig.Statistics.AsyncSubmissions;
        Assert.That(rig.Read(Size / 2, 4096), Is.All.EqualTo(9));
        Assert.That(rig.Statistics.AsyncSubmissions, Is.EqualTo(before + 1));
    }

    [Test]
    public void Writethrough_write_is_stable_by_itself_and_flush_has_nothing_to_do()
    {
        using ImageRig rig = Open(_disk, cache: CacheMode.Writethrough);
        Assert.That(rig.Write(0, new byte[4096]), Is.Zero);
        Assert.That(rig.Statistics.AsyncSubmissions, Is.EqualTo(1));
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        Assert.That(rig.Statistics.AsyncSubmissions, Is.EqualTo(1));
        Assert.That(rig.Run(BlockOperation.WriteZeroes, 0, 4096), Is.Zero);
        Assert.That(rig.Statistics.AsyncSubmissions, Is.EqualTo(3), "fallocate, then fdatasync");
    }

    [Test]
    public void Flush_and_forced_write_of_a_cached_image_go_to_the_medium([Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine)
    {
        using ImageRig rig = Open(_disk, engine);
        Assert.That(rig.Write(0, new byte[4096], BlockRequestFlags.ForceUnitAccess), Is.Zero);
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        Assert.That(rig.Statistics.AsyncSubmissions, Is.EqualTo(2));
    }

    [Test]
    public void Batch_starts_with_one_system_call()
    {
        using ImageRig rig = Open(_disk, AioEngine.IoUring, CacheMode.None);
        byte* buffer = rig.Memory(64 * 4096);
        for (int i = 0; i < 64; i++)
        {
            rig.Queue.Submit(rig.Request(BlockOperation.Read, i * 4096, 4096, buffer + (i * 4096)));
        }

        Assert.That(rig.Statistics.Enters, Is.Zero);
        rig.Queue.Commit();
        Assert.That(rig.Statistics.Enters, Is.EqualTo(1));
        rig.Drain();
        Assert.That(rig.Statistics.AsyncSubmissions, Is.EqualTo(64));
    }

    [Test]
    public void More_requests_than_the_ring_holds_all_complete([Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine)
    {
        using ImageRig rig = Open(_disk, engine, CacheMode.None);
        byte* buffer = rig.Memory(512);
        BlockRequest[] reads = [.. Enumerable.Range(0, 1500).Select(i => rig.Request(BlockOperation.Read, i * 512, 512, buffer))];
        foreach (BlockRequest read in reads)
        {
            rig.Queue.Submit(read);
        }

        Assert.That(rig.Queue.InFlight, Is.EqualTo(1500));
        rig.Queue.Commit();
        rig.Drain();
        Assert.That(reads.All(r => r.Owner == r && r.Error == 0), Is.True);
    }

    [Test]
    public void Completion_may_submit_the_next_request([Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine)
    {
        using ImageRig rig = Open(_disk, engine, CacheMode.None);
        int left = 100;
        IoVector vector = new(rig.Memory(4096), 4096);
        var request = new BlockRequest(r =>
        {
            if (--left > 0)
            {
                rig.Queue.Submit(r); // without Commit: the engine is about to start what its completions bring
            }
        })
        { Operation = BlockOperation.Read, Length = 4096, Vectors = &vector, VectorCount = 1 };
        rig.Queue.Submit(request);
        rig.Queue.Commit();
        rig.Drain();
        Assert.That(left, Is.Zero);
    }

    [Test]
    public void Request_of_more_vectors_than_a_call_takes_is_done_in_pieces(
        [Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine, [Values] CacheMode cache, [Values] bool inMemory)
    {
        using ImageRig rig = Open(inMemory ? _memory : _disk, engine, cache);
        const int count = 2000;
        byte* data = rig.Memory(count * 512);
        new Random(1).NextBytes(new Span<byte>(data, count * 512));
        IoVector* vectors = (IoVector*)rig.Memory(count * sizeof(IoVector));
        for (int i = 0; i < count; i++)
        {
            vectors[i] = new IoVector(data + ((count - 1 - i) * 512), 512);
        }

        var write = new BlockRequest(static r => r.Owner = r)
        { Operation = BlockOperation.Write, Length = count * 512, Vectors = vectors, VectorCount = count };
        Assert.That(rig.Run(write), Is.Zero);
        byte[] back = rig.Read(0, count * 512);
        for (int i = 0; i < count; i++)
        {
            Assert.That(back.AsSpan(i * 512, 512).SequenceEqual(new Span<byte>(vectors[i].Base, 512)), Is.True, $"sector {i}");
        }

        new Span<byte>(data, count * 512).Clear();
        var read = new BlockRequest(static r => r.Owner = r)
        { Operation = BlockOperation.Read, Length = count * 512, Vectors = vectors, VectorCount = count };
        Assert.That(rig.Run(read), Is.Zero);
        Assert.That(rig.Read(0, count * 512).AsSpan().SequenceEqual(back), Is.True);
        for (int i = 0; i < count; i++)
        {
            Assert.That(back.AsSpan(i * 512, 512).SequenceEqual(new Span<byte>(vectors[i].Base, 512)), Is.True, $"sector {i}");
        }
    }

    [Test]
    public void Unaligned_memory_is_bounced_and_aligned_memory_is_not()
    {
        using ImageRig rig = Open(_disk, cache: CacheMode.None);
        byte* buffer = rig.Memory(300 * 1024, misalignment: 24);
        new Random(2).NextBytes(new Span<byte>(buffer, 300 * 1024));
        Assert.That(rig.Run(rig.Request(BlockOperation.Write, 512, 300 * 1024, buffer)), Is.Zero);
        Assert.That(rig.Statistics.Bounced, Is.EqualTo(1));
        Assert.That(rig.Statistics.AsyncSubmissions, Is.EqualTo(3), "pieces of 128 KiB");
        Assert.That(rig.Read(512, 300 * 1024).AsSpan().SequenceEqual(new Span<byte>(buffer, 300 * 1024)), Is.True);
        Assert.That(rig.Statistics.Bounced, Is.EqualTo(1));
    }

    [TestCase(AioEngine.IoUring, CacheMode.None, "/tmp")]
    [TestCase(AioEngine.Threads, CacheMode.None, "/tmp")]
    [TestCase(AioEngine.IoUring, CacheMode.Writeback, "/tmp")]
    [TestCase(AioEngine.Threads, CacheMode.Writeback, "/dev/shm")]
    public void Steady_state_allocates_nothing(AioEngine engine, CacheMode cache, string directory)
    {
        using ImageRig rig = Open(directory == "/tmp" ? _disk : _memory, engine, cache);
        byte* buffer = rig.Memory(16 * 4096, misalignment: 8);
        BlockRequest[] requests =
            [.. Enumerable.Range(0, 16).Select(i => rig.Request((BlockOperation)(i & 1), i * 4096, 4096, buffer + (i * 4096)))];
        Batches(rig, requests, 50);
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 10 && least >= 200 * 16; attempt++)
        {
            // Of all threads, the workers too: so the test runner's own have a share, but not every time.
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Batches(rig, requests, 200);
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        Assert.That(least, Is.LessThan(200 * 16), "less than a byte a request");
    }

    [Test]
    public void Zero_length_requests_succeed([Values] BlockOperation operation)
    {
        using ImageRig rig = Open(_disk);
        Assert.That(rig.Run(operation, Size, 0), Is.Zero);
    }

    [Test]
    public void Two_queues_of_one_image_see_each_others_writes([Values] CacheMode cache)
    {
        using ImageRig rig = Open(_disk, AioEngine.Auto, cache);
        using IBlockQueue other = rig.Image.OpenQueue(rig.Context);
        Assert.That(rig.Write(4096, Enumerable.Repeat((byte)3, 4096).ToArray()), Is.Zero);
        byte* buffer = rig.Memory(4096);
        BlockRequest read = rig.Request(BlockOperation.Read, 4096, 4096, buffer);
        other.Submit(read);
        other.Commit();
        while (other.InFlight > 0)
        {
            rig.Context.Poll(blocking: true);
        }

        Assert.That(read.Error, Is.Zero);
        Assert.That(new Span<byte>(buffer, 4096).ToArray(), Is.All.EqualTo(3));
    }

    private static void Batches(ImageRig rig, BlockRequest[] requests, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            foreach (BlockRequest request in requests)
            {
                rig.Queue.Submit(request);
            }

            rig.Queue.Commit();
            rig.Drain();
        }
    }

    private static ImageRig Open(
        ScratchDirectory where, AioEngine engine = AioEngine.Auto, CacheMode cache = CacheMode.Writeback) =>
        new(new RawImageOptions { Path = where.File("disk.img", Size), Engine = engine, Cache = cache });
}

/// <summary>The kernel's copies of files.</summary>
internal static class PageCache
{
    private const int DontNeed = 4; // POSIX_FADV_DONTNEED

    /// <summary>Forgets the clean pages of a file.</summary>
    internal static void Drop(string path)
    {
        using FileStream file = File.OpenRead(path);
        Assert.That(posix_fadvise((int)file.SafeFileHandle.DangerousGetHandle(), 0, 0, DontNeed), Is.Zero);
    }

    [System.Runtime.InteropServices.DllImport("libc")]
    private static extern int posix_fadvise(int fd, long offset, long length, int advice);
}
