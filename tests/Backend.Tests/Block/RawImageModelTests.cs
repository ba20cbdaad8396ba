using Backend.Block;
using NUnit.Framework;
using RingCore.Posix;

namespace Backend.Tests.Block;

/// <summary>Every engine and cache mode against a plain array, with many requests in flight.</summary>
[TestFixture]
public sealed unsafe class RawImageModelTests
{
    private const int Sector = 512;
    private const int Sectors = 2048 + 3;

    private static IEnumerable<TestCaseData> Variants()
    {
        foreach (AioEngine engine in new[] { AioEngine.IoUring, AioEngine.Threads })
        {
            foreach (CacheMode cache in Enum.GetValues<CacheMode>())
            {
                foreach (string directory in new[] { "/tmp", "/dev/shm" })
                {
                    yield return new TestCaseData(engine, cache, directory);
                }
            }
        }
    }

    [TestCaseSource(nameof(Variants))]
    public void Image_behaves_as_an_array(AioEngine engine, CacheMode cache, string directory)
    {
        int seed = Environment.TickCount;
        TestContext.Out.WriteLine($"seed {seed}");
        using var scratch = new ScratchDirectory(directory);
        string path = scratch.File("disk.img", Sectors * Sector);
        byte[] model = new byte[Sectors * Sector];
        using (var rig = new ImageRig(new RawImageOptions { Path = path, Engine = engine, Cache = cache }))
        {
            RunAgainst(rig, model, new Random(seed));
        }

        Assert.That(File.ReadAllBytes(path).AsSpan().SequenceEqual(model), Is.True, $"file equals model, seed {seed}");
    }

    [Test]
    public void Block_device_of_4096_byte_blocks_behaves_as_an_array(
        [Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine, [Values] CacheMode cache)
    {
        int seed = Environment.TickCount;
        TestContext.Out.WriteLine($"seed {seed}");
        const int length = Sectors / 8 * 8 * Sector;
        using var scratch = new ScratchDirectory();
        string file = scratch.File("device.img", length);
        using var device = new LoopDevice(file, blockSize: 4096);
        byte[] model = new byte[length];
        using (var rig = new ImageRig(new RawImageOptions { Path = device.Path, Engine = engine, Cache = cache }))
        {
            Assert.That(rig.Image.Limits.Length, Is.EqualTo(length));
            Assert.That(rig.Image.Limits.PhysicalBlockSize, Is.EqualTo(4096));
            RunAgainst(rig, model, new Random(seed));
            Assert.That(rig.Statistics.Bounced, cache == CacheMode.None ? Is.Positive : Is.Zero);
            Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        }

        Assert.That(File.ReadAllBytes(device.Path).AsSpan().SequenceEqual(model), Is.True, $"device equals model, seed {seed}");
    }

    private static void RunAgainst(ImageRig rig, byte[] model, Random random)
    {
        const int depth = 16;
        const int most = 96 * 1024;
        var areas = new Area[depth];
        for (int i = 0; i < depth; i++)
        {
            // One area of the disk for each request in flight, so that the outcome does not depend on their order.
            long share = model.Length / Sector / depth;
            long first = i * share;
            long count = i == depth - 1 ? (model.Length / Sector) - first : share;
            areas[i] = new Area(rig, first * Sector, count * Sector, most);
        }

        for (int round = 0; round < 40; round++)
        {
            foreach (Area area in areas)
            {
                rig.Queue.Submit(area.Next(model, random));
            }

            rig.Queue.Commit();
            rig.Drain();
            foreach (Area area in areas)
            {
                area.Check(model);
            }
        }
    }

    /// <summary>A part of the disk with one request at a time in it.</summary>
    private sealed class Area(ImageRig rig, long start, long length, int most)
    {
        private readonly byte* _memory = rig.Memory(most + 512);
        private readonly IoVector* _vectors = (IoVector*)rig.Memory(64 * sizeof(IoVector));
        private readonly BlockRequest _request = new(static _ => { });

        internal BlockRequest Next(byte[] model, Random random)
        {
            long sectors = length / Sector;
            long first = random.NextInt64(sectors);
            long count = 1 + random.NextInt64(Math.Min(sectors - first, most / Sector));
            if (random.Next(3) == 0)
            {
                first &= ~7L;
                count = Math.Min(sectors - first, Math.Min((count + 7) & ~7L, most / Sector));
            }

            BlockRequest request = _request;
            request.Operation = (BlockOperation)random.Next(5);
            request.Flags = (BlockRequestFlags)random.Next(4);
            request.Offset = start + (first * Sector);
            request.Length = count * Sector;
            Lay(random, (int)request.Length);
            Span<byte> range = model.AsSpan((int)request.Offset, (int)request.Length);
            switch (request.Operation)
            {
                case BlockOperation.Write:
                    random.NextBytes(range);
                    CopyOut(range);
                    break;
                case BlockOperation.Discard:
                case BlockOperation.WriteZeroes:
                    range.Clear();
                    break;
            }

            return request;
        }

        internal void Check(byte[] model)
        {
            Assert.That(_request.Error, Is.Zero, $"{_request.Operation} {_request.Offset}+{_request.Length} {_request.Flags}");
            if (_request.Operation == BlockOperation.Read)
            {
                int at = (int)_request.Offset;
                for (int i = 0; i < _request.VectorCount; at += (int)_vectors[i++].Length)
                {
                    var piece = new ReadOnlySpan<byte>(_vectors[i].Base, (int)_vectors[i].Length);
                    Assert.That(piece.SequenceEqual(model.AsSpan(at, piece.Length)), Is.True, $"read at {at}");
                }
            }
        }

        /// <summary>Cuts the memory into vectors: aligned or not, whole sectors or not.</summary>
        private void Lay(Random random, int total)
        {
            byte* p = _memory + (random.Next(2) == 0 ? 0 : random.Next(512));
            int unit = random.Next(2) == 0 ? Sector : 1;
            int n = 0;
            while (total > 0)
            {
                int piece = n == 63 ? total : Math.Min(total, unit * (1 + random.Next(total / unit)));
                piece = random.Next(4) == 0 ? total : piece;
                _vectors[n++] = new IoVector(p, (nuint)piece);
                p += piece;
                total -= piece;
            }

            _request.Vectors = _vectors;
            _request.VectorCount = n;
        }

        private void CopyOut(ReadOnlySpan<byte> data)
        {
            for (int i = 0; i < _request.VectorCount; i++)
            {
                int piece = (int)_vectors[i].Length;
                data[..piece].CopyTo(new Span<byte>(_vectors[i].Base, piece));
                data = data[piece..];
            }
        }
    }
}
