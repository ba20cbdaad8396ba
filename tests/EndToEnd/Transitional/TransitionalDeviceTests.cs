using System.Text.Json.Nodes;
using FuseFront.Driver;
using RingCore.Hosting;
using RingCore.Posix;
using RingCore.Virtio;

namespace EndToEnd.Transitional;

/// <summary>
/// <c>--transitional</c>: a backend in a process of its own, driven by a legacy driver through the legacy registers, by a
/// modern one with doorbells in I/O space, and by the front, which knows only the modern interface in memory.
/// </summary>
[Category(OnceOnly.Name)]
public sealed class TransitionalDeviceTests : EndToEndTest
{
    private const int Queues = 3;
    private const int ImageBytes = 8 << 20;
    private const int SectorsPerQueue = ImageBytes / Queues / 512;

    [TestCase(true, VirtioFeatures.None)]
    [TestCase(true, VirtioFeatures.EventIndex)]
    [TestCase(false, VirtioFeatures.None)]
    [TestCase(false, VirtioFeatures.EventIndex)]
    public void Legacy_driver_does_io_and_its_kicks_match_by_their_value(bool msix, VirtioFeatures refused)
    {
        string image = Space.Image(ImageBytes);
        using Tool backend = StartBackend(image);
        byte[] data = TestData.Random(LegacyQueue.MaxTransfer, seed: 51);
        using (LegacyDriver driver = new(Space.Path("s.sock"), Queues, refused, msix))
        {
            Assert.That(driver.Features.HasFlag(VirtioFeatures.EventIndex), Is.EqualTo(refused == VirtioFeatures.None));
            Assert.That(driver.Capacity, Is.EqualTo(ImageBytes / 512));
            Assert.That(driver.Status, Is.EqualTo(DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.DriverOk));
            RequireDoorbells(driver);
            long[] kicksBefore = KicksReceived();
            for (int round = 0; round < 20; round++)
            {
                foreach ((LegacyQueue queue, int index) in driver.Queues.Select((q, i) => (q, i)))
                {
                    ulong sector = (ulong)((index * SectorsPerQueue) + (round * 8));
                    queue.Write(sector, data.AsSpan(512 * round, 4096));
                    Assert.That(queue.Read(sector, 4096), Is.EqualTo(data[(512 * round)..((512 * round) + 4096)]));
                }
            }

            Assert.That(driver.Queues[1].Read(SectorsPerQueue, 512), Is.EqualTo(data[..512]));
            driver.Queues[0].Write(0, data);
            driver.Queues[2].Flush();
            RequireStatistics(driver, kicksBefore);
            driver.KickByMessage(1);
            driver.KickByMessage(Queues); // no such queue: nothing happens
        }

        Assert.That(File.ReadAllBytes(image)[..data.Length], Is.EqualTo(data));
        End(backend);
    }

    [Test]
    public void Modern_driver_rings_doorbells_in_io_space()
    {
        string image = Space.Image(ImageBytes);
        using Tool backend = StartBackend(image);
        using VfioUserClient client = VfioUserClient.Connect(Space.Path("s.sock"), Tool.StandardTimeout);
        PioNotifyTransport transport = new(client);
        using (BlkDriver driver = new(transport, new BlkDriverOptions { Queues = Queues, QueueSize = 64 }))
        {
            long[] before = KicksReceived();
            for (int i = 0; i < Queues; i++)
            {
                BlkQueue queue = driver.CreateQueue(i, new NoCompletion());
                Assert.That(driver.ReadSerial(queue, i), Is.EqualTo("old-timer"));
                Assert.That(queue.Statistics.KicksSent, Is.EqualTo(1));
            }

            Assert.That(transport.Doorbells.Entries.ToArray().Select(e => (e.Size, e.MatchData)), Is.All.EqualTo((2u, true)));
            Assert.That(transport.Doorbells.Match(0, 2, Queues), Is.Null, "no such queue");
            Assert.That(KicksReceived().Zip(before, (now, then) => now - then), Is.All.EqualTo(1));
        }

        End(backend);
    }

    [Test]
    public void Front_uses_a_transitional_device_as_a_modern_one()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(32 << 20), "--transitional", "--queues", "2");
        Fio.Run(disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bs=8k", "--iodepth=16", "--size=8m", "--verify=crc32c");
        Assert.That(disk.Stats().Backend.FeatureNames, Does.Contain(nameof(VirtioFeatures.Version1)));
        Assert.That(disk.FrontLog, Does.Contain("virtio-pci 1001"));
    }

    private static void RequireDoorbells(LegacyDriver driver)
    {
        Assert.That(driver.Doorbells.Entries.Length, Is.EqualTo(Queues));
        EventFd?[] matched = [.. Enumerable.Range(0, Queues).Select(i => driver.Match((ushort)i))];
        Assert.That(matched, Is.All.Not.Null);
        Assert.That(matched.Distinct().Count(), Is.EqualTo(Queues), "each value rings its own queue");
        Assert.That(driver.Match(Queues), Is.Null, "no such queue");
        Assert.That(driver.Doorbells.Match(16, 4, 0), Is.Null, "a doorbell is two bytes");
        for (int i = 0; i < Queues; i++)
        {
            Assert.That(driver.PageOf(i), Is.Not.Zero);
        }

        Assert.That(driver.SizeOf(Queues), Is.Zero, "no such queue");
    }

    private void RequireStatistics(LegacyDriver driver, long[] kicksBefore)
    {
        BackendStats stats = Backend();
        Assert.That(stats.FeatureNames, Does.Not.Contain(nameof(VirtioFeatures.Version1)));
        Assert.That(stats.DeviceStatusNames, Does.Not.Contain("FEATURES_OK"));
        Assert.That(stats.Queues.Sum(q => q.Operations.Write.Requests), Is.EqualTo((20 * Queues) + 1));
        for (int i = 0; i < Queues; i++)
        {
            Assert.That(stats.Queues[i].KicksReceived - kicksBefore[i], Is.InRange(1, driver.Queues[i].Kicks), $"queue {i}");
        }
    }

    private Tool StartBackend(string image) => HandStarted.Backend(
        Space, image, Space.Path("s.sock"), "--transitional", "--queues", $"{Queues}", "--queue-size", "64", "--serial", "old-timer");

    /// <summary>By queue, once the device runs.</summary>
    private long[] KicksReceived()
    {
        long[] kicks = [];
        Wait.For("the device's start", () => (kicks = [.. Backend().Queues.Select(q => q.KicksReceived)]).Length == Queues);
        return kicks;
    }

    private BackendStats Backend()
    {
        JsonObject reply = ControlClient.Call(Space.Path("backend.ctl"), "stats", Tool.StandardTimeout);
        return StatsJson.ToBackendStats(reply);
    }

    private static void End(Tool backend)
    {
        backend.Signal(LiveProcess.SigTerm);
        backend.WaitForExit(Tool.StandardTimeout).Succeeded();
    }

    private sealed class NoCompletion : IBlkCompletion
    {
        public void Completed(int slot, BlkStatus status)
        {
        }
    }
}
