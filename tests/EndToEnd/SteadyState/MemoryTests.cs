namespace EndToEnd.SteadyState;

/// <summary>Requests leave nothing in memory.</summary>
public sealed class MemoryTests : EndToEndTest
{
    private const int Requests = 200_000;
    private const int MostRounds = 12;

    /// <summary>A leak of half a pointer a request.</summary>
    private const long Quiet = Requests * 4;

    protected override string Parent => "/dev/shm";

    /// <summary>
    /// The runtime compiles hot methods anew, in the background and whenever it sees fit, and its heap grows until the first
    /// collection: so a round may grow for reasons of its own, but a leak grows in each.
    /// </summary>
    [Test]
    public void Memory_does_not_grow_with_requests()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(64 << 20), "--queues", "2");
        long[] resident = Resident();
        long[] least = [long.MaxValue, long.MaxValue];
        int rounds = 0;
        while (rounds < MostRounds && least.Max() > Quiet)
        {
            Read(disk);
            rounds++;
            long[] before = resident;
            resident = Resident();
            least = [.. least.Select((l, i) => Math.Min(l, resident[i] - before[i]))];
            TestContext.Out.WriteLine($"round {rounds}: front {resident[0]}, backend {resident[1]} bytes");
        }

        Assert.That(disk.Stats().FrontTotal.Read.Requests, Is.EqualTo((long)rounds * Requests));
        Assert.That(least, Is.All.LessThanOrEqualTo(Quiet), $"least growth in a round of {Requests} requests");

        long[] Resident() => [LiveProcess.StatusBytes(disk.FrontPid, "VmRSS"), LiveProcess.StatusBytes(disk.BackendPid, "VmRSS")];
    }

    private static void Read(AttachedDisk disk) => Fio.Run(
        disk.DiskFile,
        "--ioengine=libaio", "--direct=1", "--rw=randread", "--bs=4k", "--iodepth=32", "--numjobs=2", "--size=64m", "--norandommap",
        $"--io_size={Requests / 2 * 4096L}");
}
