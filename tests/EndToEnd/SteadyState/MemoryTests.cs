using System.Globalization;

namespace EndToEnd.SteadyState;

/// <summary>A million requests cost no more memory than ten thousand.</summary>
public sealed class MemoryTests : EndToEndTest
{
    /// <summary>
    /// The runtime compiles hot methods a second time, in the background and whenever it sees fit: their code and its
    /// compiler's heap come on top of what ten thousand requests needed. A leak of a single pointer a request were 8 MB.
    /// </summary>
    private const long Slack = 4 << 20;

    protected override string Parent => "/dev/shm";

    [Test]
    public void Memory_does_not_grow_with_requests()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(64 << 20), "--queues", "2");
        Read(disk, 10_000);
        long front = LiveProcess.StatusBytes(disk.FrontPid, "VmRSS");
        long backend = LiveProcess.StatusBytes(disk.BackendPid, "VmRSS");
        Read(disk, 1_000_000);
        long frontLater = LiveProcess.StatusBytes(disk.FrontPid, "VmRSS");
        long backendLater = LiveProcess.StatusBytes(disk.BackendPid, "VmRSS");
        Assert.That(disk.Stats().FrontTotal.Read.Requests, Is.EqualTo(1_010_000));
        string numbers = string.Create(
            CultureInfo.InvariantCulture, $"front {front} -> {frontLater}, backend {backend} -> {backendLater} bytes");
        TestContext.Out.WriteLine(numbers);
        Assert.Multiple(() =>
        {
            Assert.That(frontLater, Is.LessThanOrEqualTo(front + Slack), numbers);
            Assert.That(backendLater, Is.LessThanOrEqualTo(backend + Slack), numbers);
        });
    }

    private static void Read(AttachedDisk disk, int requests) => Fio.Run(
        disk.DiskFile,
        "--ioengine=libaio", "--direct=1", "--rw=randread", "--bs=4k", "--iodepth=32", "--numjobs=2", "--size=64m", "--norandommap",
        $"--io_size={requests / 2 * 4096L}");
}
