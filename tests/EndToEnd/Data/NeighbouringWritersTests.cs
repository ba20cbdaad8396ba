using RingCore.Posix;

namespace EndToEnd.Data;

/// <summary>Writers in different parts of one sector never lose a byte of each other's, whichever queues they come by.</summary>
public sealed class NeighbouringWritersTests : EndToEndTest
{
    private const int Stripe = 61; // odd and small: a 512-byte sector has nine or ten owners
    private const int Block = 4096;
    private const int RegionBlocks = 4;
    private const int Writers = 6;
    private const int Rounds = 1500;

    [TestCase("writeback")]
    [TestCase("none")]
    public void Threads_that_share_sectors_lose_no_byte(string cache)
    {
        // Blocks in turn: one with stripes of many owners, one written whole by the last writer.
        const int size = 2 * RegionBlocks * Block;
        int seed = TestContext.CurrentContext.Random.Next();
        TestContext.Out.WriteLine($"seed {seed}");
        byte[] model = TestData.Random(size, seed);
        string image = Space.Image(1 << 20);
        using (AttachedDisk disk = Space.Attach(image, "--queues", "4", "--cache", cache))
        {
            using DiskIo io = DiskIo.Open(disk.DiskFile);
            io.Write(model, 0);
            int[] cpus = ThreadScheduling.GetAffinity();
            Task[] writers = [.. Enumerable.Range(0, Writers).Select(w => OnThread(() =>
            {
                // Over io_uring a CPU has its queue; a busy machine may leave all writers on one.
                _ = ThreadScheduling.TrySetAffinity([cpus[w % cpus.Length]]);
                WriteOwnStripes(disk.DiskFile, model, w, seed + w);
            }))];
            Task whole = OnThread(() => WriteWholeBlocks(disk.DiskFile, model, seed - 1));
            Task.WaitAll([.. writers, whole]);
            Assert.That(io.Read(0, size), Is.EqualTo(model));
            Assert.That(disk.Stats().Front.Queues.Count(q => q.Operations.Write.Requests > 0), Is.GreaterThan(1), "queues used");
        }

        using DiskIo direct = DiskIo.Open(image, DiskIo.ReadOnly);
        Assert.That(direct.Read(0, size), Is.EqualTo(model));
    }

    [Test]
    public void Two_processes_that_write_every_other_stripe_lose_no_byte()
    {
        const int pieces = 4000;
        using AttachedDisk disk = Space.Attach(Space.Image(1 << 20));
        using Tool even = StartStriped(disk, "0xa5", 0, pieces);
        using Tool odd = StartStriped(disk, "0x5a", Stripe, pieces);
        even.WaitForExit(Tool.StandardTimeout).Succeeded();
        odd.WaitForExit(Tool.StandardTimeout).Succeeded();

        using DiskIo io = DiskIo.Open(disk.DiskFile);
        byte[] content = io.Read(0, 2 * pieces * Stripe);
        byte[] expected = [.. Enumerable.Range(0, content.Length).Select(i => i / Stripe % 2 == 0 ? (byte)0xa5 : (byte)0x5a)];
        Assert.That(content, Is.EqualTo(expected));
    }

    private static Tool StartStriped(AttachedDisk disk, string pattern, int offset, int pieces) => Fio.Start(
        disk.DiskFile,
        "--ioengine=libaio", "--iodepth=16", $"--rw=write:{Stripe}", $"--bs={Stripe}", $"--offset={offset}",
        $"--size={2 * pieces * Stripe}", $"--number_ios={pieces}", $"--buffer_pattern={pattern}");

    /// <summary>A task with a thread of its own, so that a write that fails is this test's failure.</summary>
    private static Task OnThread(Action write) =>
        Task.Factory.StartNew(write, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Random parts of the stripes that belong to this writer, in the blocks that have stripes.</summary>
    private static void WriteOwnStripes(string path, byte[] model, int writer, int seed)
    {
        var random = new Random(seed);
        using DiskIo io = DiskIo.Open(path);
        byte[] fresh = new byte[Stripe];
        for (int round = 0; round < Rounds; round++)
        {
            int block = 2 * random.Next(RegionBlocks);
            int stripe = (random.Next(Block / Stripe / Writers) * Writers) + writer;
            int from = random.Next(Stripe);
            int length = random.Next(1, Stripe - from + 1);
            int at = (block * Block) + (stripe * Stripe) + from;
            random.NextBytes(fresh);
            Span<byte> data = fresh.AsSpan(0, length);
            io.Write(data, at);
            data.CopyTo(model.AsSpan(at));
        }
    }

    private static void WriteWholeBlocks(string path, byte[] model, int seed)
    {
        var random = new Random(seed);
        using DiskIo io = DiskIo.Open(path);
        byte[] fresh = new byte[Block];
        for (int round = 0; round < Rounds; round++)
        {
            int at = ((2 * random.Next(RegionBlocks)) + 1) * Block;
            random.NextBytes(fresh);
            io.Write(fresh, at);
            fresh.CopyTo(model, at);
        }
    }
}
