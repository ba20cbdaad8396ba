using Backend.Block;
using Backend.Faults;
using Backend.Tests.Block;
using Backend.Tests.Device;
using RingCore.Aio;
using RingCore.Faults;
using RingCore.Posix;

namespace Backend.Tests.Faults;

/// <summary>The volatile cache against a plain array, and what a power cut may leave of it.</summary>
[TestFixture]
public sealed class VolatileCacheTests
{
    private const int Sector = 512;

    [Test]
    public void Image_gets_a_write_only_with_the_flush_and_reads_see_it_before()
    {
        using FaultRig rig = new(cache: 64 * 1024);
        byte[] data = Filled(4096, 7);
        Assert.That(rig.Write(1024, data), Is.Zero);
        Assert.That(rig.Image().AsSpan().SequenceEqual(FaultRig.Pattern()), Is.True);
        Assert.That(rig.Read(512, 8192, out byte[] read), Is.Zero);
        byte[] expected = FaultRig.Pattern();
        data.CopyTo(expected, 1024);
        Assert.That(read, Is.EqualTo(expected[512..8704]));
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        Assert.That(rig.Image().AsSpan().SequenceEqual(expected), Is.True);
    }

    [Test]
    public void Forced_write_is_in_the_image_when_it_completes()
    {
        using FaultRig rig = new(cache: 64 * 1024);
        Assert.That(rig.Write(0, Filled(512, 1)), Is.Zero);
        Assert.That(rig.Write(0, Filled(1024, 2), flags: BlockRequestFlags.ForceUnitAccess), Is.Zero);
        Assert.That(rig.Image()[..1024], Is.All.EqualTo(2));
    }

    [Test]
    public void Full_cache_lets_the_oldest_go()
    {
        using FaultRig rig = new(cache: 8192);
        for (int i = 0; i < 5; i++)
        {
            Assert.That(rig.Write(i * 4096, Filled(4096, 9)), Is.Zero);
        }

        byte[] image = rig.Image();
        Assert.That(image[..(3 * 4096)], Is.All.EqualTo(9));
        Assert.That(image.AsSpan(3 * 4096).SequenceEqual(FaultRig.Pattern().AsSpan(3 * 4096)), Is.True);
    }

    [Test]
    public void Orderly_end_writes_everything_back()
    {
        string path;
        using ScratchDirectory scratch = new();
        path = scratch.File("disk.img", 65536);
        VolatileCacheFilter filter = new(RawImage.Open(new RawImageOptions { Path = path }), 65536);
        using (IoThread thread = new())
        {
            IBlockQueue queue = filter.OpenQueue(thread.Context);
            thread.Context.Invoke(() => queue.Submit(WholeWrite(65536, 3)));
            thread.Context.Invoke(queue.Dispose);
        }

        Assert.That(File.ReadAllBytes(path), Is.All.Zero);
        filter.Dispose();
        Assert.That(File.ReadAllBytes(path), Is.All.EqualTo(3));
    }

    [Test]
    public void Without_power_everything_ends_with_EIO_until_it_is_on()
    {
        using FaultRig rig = new(cache: 65536);
        rig.Power.Cut(PowerCutKeep.None, 1);
        foreach (BlockOperation operation in Enum.GetValues<BlockOperation>())
        {
            Assert.That(rig.Run(operation, 0, 512), Is.EqualTo(Errno.EIO), operation.ToString());
        }

        Assert.That(rig.Power.Cut(PowerCutKeep.None, 1), Is.Null, "it is off");
        rig.Power.TurnOn();
        Assert.That(rig.Write(0, Filled(512, 1)), Is.Zero);
    }

    [Test]
    public void Cut_ends_what_hangs_with_EIO()
    {
        using FaultRig rig = new(cache: 65536);
        rig.Add("on read hang");
        BlockRequest request = rig.Request(BlockOperation.Read, 0, 512);
        rig.Submit(request);
        rig.Power.Cut(PowerCutKeep.All, 1);
        rig.Until(() => FaultRig.IsDone(request));
        Assert.That(request.Error, Is.EqualTo(Errno.EIO));
    }

    [Test]
    public void Rule_cuts_the_power_at_its_request()
    {
        using FaultRig rig = new(cache: 65536);
        rig.Add("on flush skip 1 count 1 powercut");
        rig.Write(0, Filled(512, 1));
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        rig.Write(0, Filled(1024, 2));
        Assert.That(rig.Run(BlockOperation.Flush), Is.EqualTo(Errno.EIO));
        Assert.That(rig.Power.Switch.IsOff, Is.True);
        Assert.That(rig.Power.LastCut!.Lost, Is.EqualTo(1));
        Assert.That(rig.Image()[..512], Is.All.EqualTo(1));
    }

    [Test]
    public void Write_that_the_image_did_not_take_fails_every_later_flush()
    {
        HeldDriver image = new(65536);
        using AioContext context = new();
        using VolatileCacheFilter filter = new(image, 65536);
        using IBlockQueue queue = filter.OpenQueue(context);
        Assert.That(Run(BlockOperation.WriteZeroes, 512), Is.Zero);
        image.Fail = Errno.EIO;
        Assert.That(Run(BlockOperation.Flush), Is.EqualTo(Errno.EIO));
        image.Fail = 0;
        Assert.That(Run(BlockOperation.Flush), Is.EqualTo(Errno.EIO));
        Assert.That(Run(BlockOperation.WriteZeroes, 512), Is.Zero, "the rest goes on");

        int Run(BlockOperation operation, long length = 0)
        {
            bool isDone = false;
            BlockRequest request = new(_ => isDone = true) { Operation = operation, Length = length };
            queue.Submit(request);
            queue.Commit();
            while (!isDone)
            {
                context.Poll(blocking: true);
            }

            return request.Error;
        }
    }

    [Test]
    public void Dropped_flush_leaves_everything_to_be_lost()
    {
        using FaultRig rig = new(cache: 65536);
        rig.Add("on flush drop");
        rig.Write(0, Filled(512, 1));
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        Assert.That(rig.Power.Cut(PowerCutKeep.None, 1)!.Lost, Is.EqualTo(1));
        Assert.That(rig.Image().AsSpan().SequenceEqual(FaultRig.Pattern()), Is.True);
    }

    [Test]
    public void What_a_cut_leaves_can_be_explained(
        [Values] PowerCutKeep keep, [Values(4096, 60_000, 1 << 20)] int cache, [Values(1, 2)] int round)
    {
        int seed = Environment.TickCount + round;
        TestContext.Out.WriteLine($"seed {seed}");
        using FaultRig rig = new(cache: cache);
        History history = new(rig, new Random(seed));
        history.Run(steps: 120);
        PowerCutReport report = rig.Power.Cut(keep, (ulong)seed)!;
        byte[] image = rig.Image();
        history.Explain(report, image);
        rig.Power.TurnOn();
        Assert.That(rig.Read(0, FaultRig.Length, out byte[] read), Is.Zero);
        Assert.That(read.AsSpan().SequenceEqual(image), Is.True, "the cache is empty after a cut");
    }

    [Test]
    public void Same_seed_loses_the_same([Values(PowerCutKeep.Random, PowerCutKeep.Torn)] PowerCutKeep keep)
    {
        byte[][] images = [.. new ulong[] { 4, 4, 5 }.Select(seed =>
        {
            using FaultRig rig = new(cache: 1 << 20);
            new History(rig, new Random(11)).Run(steps: 60, mayFlush: false);
            rig.Power.Cut(keep, seed);
            return rig.Image();
        })];
        Assert.That(images[1].AsSpan().SequenceEqual(images[0]), Is.True);
        Assert.That(images[2].AsSpan().SequenceEqual(images[0]), Is.False);
    }

    [Test]
    public void Torn_writes_are_torn_at_sectors_of_the_disk()
    {
        using FaultRig rig = new(cache: 1 << 20);
        for (int i = 0; i < 64; i++)
        {
            rig.Write(i * 8192, Filled(8192, 0xEE));
        }

        PowerCutReport report = rig.Power.Cut(PowerCutKeep.Torn, 9)!;
        Assert.That(report.Torn, Is.InRange(5, 40));
        Assert.That(report.Kept + report.Torn + report.Lost, Is.EqualTo(64));
        foreach (CutWrite write in report.Writes)
        {
            Assert.That(write.KeptBytes % Sector, Is.Zero);
        }

        int kept = rig.Image().Chunk(Sector).Count(s => s.All(b => b == 0xEE));
        Assert.That(kept * Sector, Is.EqualTo(report.Writes.Sum(w => w.KeptBytes)));
    }

    [Test]
    public void Many_queues_share_it()
    {
        const int threads = 3;
        const int share = 256 * 1024;
        using ScratchDirectory scratch = new();
        string path = scratch.File("disk.img", threads * share);
        VolatileCacheFilter filter = new(RawImage.Open(new RawImageOptions { Path = path }), 100_000);
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
        {
            using IoThread thread = new();
            IBlockQueue queue = filter.OpenQueue(thread.Context, i);
            for (int round = 1; round <= 20; round++)
            {
                for (int at = 0; at < share; at += 32768)
                {
                    Do(thread.Context, queue, BlockOperation.Write, (i * share) + at, 32768, (byte)(round + i));
                }

                Do(thread.Context, queue, BlockOperation.Flush, 0, 0, 0);
                Do(thread.Context, queue, BlockOperation.Read, i * share, 65536, (byte)(round + i));
            }

            thread.Context.Invoke(queue.Dispose);
        });
        filter.Dispose();
        byte[] image = File.ReadAllBytes(path);
        for (int i = 0; i < threads; i++)
        {
            Assert.That(image.AsSpan(i * share, share).IndexOfAnyExcept((byte)(20 + i)), Is.Negative);
        }
    }

    [Test]
    public void What_a_finished_flush_covered_survives_a_cut_at_any_moment([Values] PowerCutKeep keep, [Values(1, 2, 3)] int run)
    {
        const int threads = 2;
        const int share = 64 * 1024;
        using ScratchDirectory scratch = new();
        string path = scratch.File("disk.img", threads * share);
        using VolatileCacheFilter filter = new(RawImage.Open(new RawImageOptions { Path = path }), 20_000);
        byte[] stable = new byte[threads];
        using Barrier started = new(threads + 1);
        Task[] writers =
        [
            .. Enumerable.Range(0, threads).Select(i => Task.Factory.StartNew(() => WriteUntilCut(i), TaskCreationOptions.LongRunning)),
        ];
        started.SignalAndWait();
        Thread.SpinWait(run * 200_000); // somewhere in the middle; whichever moment it is
        PowerCutReport report = filter.Cut(keep, (ulong)run);
        byte[] image = File.ReadAllBytes(path);
        Assert.That(Task.WaitAll(writers, TimeSpan.FromSeconds(60)), Is.True);
        Assert.That(File.ReadAllBytes(path).AsSpan().SequenceEqual(image), Is.True, "nothing reaches the image after the cut");
        for (int i = 0; i < threads; i++)
        {
            int lowest = image.AsSpan(i * share, share).ToArray().Min();
            Assert.That(lowest, Is.GreaterThanOrEqualTo(stable[i]), $"area {i}, {report.Unflushed} unflushed");
        }

        void WriteUntilCut(int i)
        {
            using IoThread thread = new();
            IBlockQueue queue = filter.OpenQueue(thread.Context, i);
            started.SignalAndWait();
            for (byte value = 1; value < 250; value++)
            {
                bool alive = true;
                for (int at = 0; at < share && alive; at += 8192)
                {
                    alive = TryDo(thread.Context, queue, BlockOperation.Write, (i * share) + at, 8192, value) == 0;
                }

                if (!alive || TryDo(thread.Context, queue, BlockOperation.Flush, 0, 0, 0) != 0)
                {
                    break;
                }

                stable[i] = value;
            }

            thread.Context.Invoke(queue.Dispose);
        }
    }

    private static byte[] Filled(int length, byte value)
    {
        byte[] bytes = new byte[length];
        Array.Fill(bytes, value);
        return bytes;
    }

    private static unsafe BlockRequest WholeWrite(int length, byte value)
    {
        byte* data = (byte*)System.Runtime.InteropServices.NativeMemory.Alloc((nuint)length + 16);
        new Span<byte>(data, length).Fill(value);
        IoVector* vector = (IoVector*)(data + length);
        *vector = new IoVector(data, (nuint)length);
        return new BlockRequest(_ => System.Runtime.InteropServices.NativeMemory.Free(data))
        {
            Operation = BlockOperation.Write,
            Length = length,
            Vectors = vector,
            VectorCount = 1,
        };
    }

    /// <summary>As below; it has to succeed.</summary>
    private static void Do(AioContext context, IBlockQueue queue, BlockOperation operation, long offset, int length, byte value) =>
        Assert.That(TryDo(context, queue, operation, offset, length, value), Is.Zero);

    /// <summary>One request on a queue of another thread, to its end; a read has to find the value.</summary>
    private static unsafe int TryDo(AioContext context, IBlockQueue queue, BlockOperation operation, long offset, int length, byte value)
    {
        using MemoryMapping memory = MemoryMapping.Anonymous((nuint)length + 4096);
        using ManualResetEventSlim done = new();
        Span<byte> data = new(memory.Pointer, length);
        data.Fill(operation == BlockOperation.Write ? value : (byte)0);
        IoVector* vector = (IoVector*)(memory.Pointer + length);
        *vector = new IoVector(memory.Pointer, (nuint)length);
        BlockRequest request = new(_ => done.Set())
        {
            Operation = operation,
            Offset = offset,
            Length = length,
            Vectors = vector,
            VectorCount = length > 0 ? 1 : 0,
        };
        context.Invoke(() =>
        {
            queue.Submit(request);
            queue.Commit();
        });
        Assert.That(done.Wait(TimeSpan.FromSeconds(60)), Is.True);
        if (operation == BlockOperation.Read)
        {
            Assert.That(data.IndexOfAnyExcept(value), Is.Negative);
        }

        return request.Error;
    }

    /// <summary>Random requests, remembered, so that an image can be explained by them.</summary>
    private sealed class History(FaultRig rig, Random random)
    {
        private readonly List<(long Offset, byte[] Data)> _writes = [];
        private readonly byte[] _current = FaultRig.Pattern();
        private int _stable;

        internal void Run(int steps, bool mayFlush = true)
        {
            for (int i = 0; i < steps; i++)
            {
                Step(random.Next(mayFlush ? 20 : 18));
            }
        }

        internal void Explain(PowerCutReport report, byte[] image)
        {
            int first = _writes.Count - report.Unflushed;
            Assert.That(first, Is.GreaterThanOrEqualTo(_stable), "nothing stable is in the report");
            Assert.That(report.Writes.Select(w => w.Number), Is.EqualTo(Enumerable.Range(first + 1, report.Unflushed)));
            byte[] expected = FaultRig.Pattern();
            Apply(expected, _writes.Take(first));
            if (report.Keep != PowerCutKeep.Torn)
            {
                Apply(expected, report.Writes.Where(w => w.Order > 0).OrderBy(w => w.Order).Select(w => _writes[(int)w.Number - 1]));
                Assert.That(image.AsSpan().SequenceEqual(expected), Is.True, "the survivors in their order make the image");
                Assert.That(report.Torn, Is.Zero);
                Assert.That(report.Lost, Is.EqualTo(report.Keep == PowerCutKeep.None ? report.Unflushed : report.Unflushed - report.Kept));
                return;
            }

            for (int at = 0; at < image.Length; at += Sector)
            {
                ExplainSector(report, image, expected, at);
            }
        }

        private void ExplainSector(PowerCutReport report, byte[] image, byte[] before, int at)
        {
            ReadOnlySpan<byte> sector = image.AsSpan(at, Sector);
            if (sector.SequenceEqual(before.AsSpan(at, Sector)))
            {
                return;
            }

            foreach (CutWrite write in report.Writes)
            {
                (long offset, byte[] data) = _writes[(int)write.Number - 1];
                bool covers = write.Order > 0 && offset <= at && at + Sector <= offset + data.Length;
                if (covers && sector.SequenceEqual(data.AsSpan((int)(at - offset), Sector)))
                {
                    return;
                }
            }

            Assert.Fail($"sector at {at} is neither of before nor of a write that survived");
        }

        private void Step(int choice)
        {
            int offset = random.Next(FaultRig.Length / Sector) * Sector;
            offset = random.Next(3) == 0 ? offset % 16384 : offset; // some places often
            int length = Math.Min(FaultRig.Length - offset, (1 + random.Next(40)) * Sector);
            byte[] data = new byte[length];
            switch (choice)
            {
                case < 12:
                    random.NextBytes(data);
                    bool forced = choice == 0 && random.Next(8) == 0;
                    Assert.That(rig.Write(offset, data, flags: forced ? BlockRequestFlags.ForceUnitAccess : 0), Is.Zero);
                    Remember(offset, data, forced);
                    break;
                case < 14:
                    Assert.That(rig.Run(choice == 12 ? BlockOperation.Discard : BlockOperation.WriteZeroes, offset, length), Is.Zero);
                    Remember(offset, data, false);
                    break;
                case < 18:
                    Assert.That(rig.Read(offset, length, out byte[] read), Is.Zero);
                    Assert.That(read.AsSpan().SequenceEqual(_current.AsSpan(offset, length)), Is.True, "reads see every write");
                    break;
                default:
                    Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
                    _stable = _writes.Count;
                    Assert.That(rig.Image().AsSpan().SequenceEqual(_current), Is.True, "flushed");
                    break;
            }
        }

        private void Remember(long offset, byte[] data, bool stable)
        {
            _writes.Add((offset, data));
            data.CopyTo(_current, offset);
            _stable = stable ? _writes.Count : _stable;
        }

        private static void Apply(byte[] image, IEnumerable<(long Offset, byte[] Data)> writes)
        {
            foreach ((long offset, byte[] data) in writes)
            {
                data.CopyTo(image, offset);
            }
        }
    }
}
