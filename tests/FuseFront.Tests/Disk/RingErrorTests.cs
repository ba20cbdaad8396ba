using FuseFront.Disk;
using FuseFront.Driver;
using FuseFront.Fuse;
using FuseFront.Tests.Driver;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Tests.Disk;

[TestFixture]
public sealed class RingErrorTests
{
    [Test]
    public void Device_that_reports_a_ring_error_is_reset_and_serves_again()
    {
        Assume.That(File.Exists("/dev/fuse") && UserIds.IsRoot, "needs root and /dev/fuse");
        string folder = Directory.CreateTempSubdirectory("ring-error-").FullName;
        using AioContext main = new(new AioContextOptions { Name = "test" });
        FakeDevice device = new();
        device.Kicked = () =>
        {
            foreach (FakeRequest request in device.Take())
            {
                device.Answer(request);
            }

            device.Interrupt();
        };
        BlkDriver driver = new(device, new BlkDriverOptions { Queues = 1, QueueSize = 16 });
        using (VirtualDisk disk = new(device, driver, Options(folder), main))
        {
            device.RingErrors!.Signal();
            long deadline = Environment.TickCount64 + 30_000;
            while (driver.Restarts == 0)
            {
                Assert.That(Environment.TickCount64, Is.LessThan(deadline));
                main.Poll(blocking: false);
            }

            Assert.That(disk.Failure, Is.Null);
            using FileStream file = File.OpenRead(Path.Combine(folder, VirtualDisk.FileName));
            file.Position = 8 * BlkConfig.SectorSize;
            Assert.That(file.ReadByte(), Is.EqualTo(8), "what the device has there");
        }

        Directory.Delete(folder);
    }

    private static VirtualDiskOptions Options(string folder) => new()
    {
        Mount = new FuseMountOptions { MountPoint = folder, Source = "test", Transport = FuseTransport.Dev },
        Affinity = Affinity.None,
    };
}
