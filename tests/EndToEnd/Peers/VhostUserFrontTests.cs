using FuseFront.Driver;
using RingCore.Posix;
using RingCore.Virtio;

namespace EndToEnd.Peers;

/// <summary>What holds whoever serves: qemu-storage-daemon or our own backend.</summary>
public sealed class VhostUserFrontTests : EndToEndTest
{
    [Test]
    public void Our_own_backend_serves_our_front_over_vhost_user()
    {
        string image = Space.Image(64 << 20);
        string socket = Space.Path("s.sock");
        using Tool backend = HandStarted.VhostUserBackend(Space, image, socket, "--queues", "2");
        for (int round = 0; round < 2; round++)
        {
            using AttachedDisk disk = Space.Attach($"vhost-user:{socket}");
            Fio.Run(
                disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bsrange=512-128k", "--blockalign=512", "--iodepth=32",
                "--numjobs=2", "--size=8m", "--offset_increment=8m", "--verify=crc32c");
            byte[] data = TestData.Random(1 << 20, seed: 71 + round);
            using (DiskIo io = DiskIo.Open(disk.DiskFile))
            {
                io.Write(data, 48 << 20);
            }

            disk.Detach();
            using DiskIo file = DiskIo.Open(image, DiskIo.ReadOnly);
            Assert.That(file.Read(48 << 20, data.Length), Is.EqualTo(data));
        }

        backend.Signal(LiveProcess.SigTerm);
        backend.WaitForExit(Tool.StandardTimeout).Succeeded();
    }

    [TestCase(true), TestCase(false), Category(OnceOnly.Name)]
    public void Device_works_again_after_a_reset(bool ours)
    {
        string image = Space.Image(8 << 20);
        string socket = Space.Path("s.sock");
        using Tool? backend = ours ? HandStarted.VhostUserBackend(Space, image, socket, "--queues", "2") : null;
        using StorageDaemon? daemon = ours ? null : new StorageDaemon(Space, image, "raw", name: "s");
        using VhostUserTransport transport = new(socket, Tool.StandardTimeout);
        for (int round = 0; round < 5; round++)
        {
            BlkDriver driver = new(transport, new BlkDriverOptions { Queues = 2, QueueSize = 32 });
            Assert.That(driver.QueueCount, Is.EqualTo(2));
            for (int i = 0; i < driver.QueueCount; i++)
            {
                driver.Flush(driver.CreateQueue(i, new NoCompletion()), i);
            }

            Assert.That(transport.Connection.WaitReadable(TimeSpan.Zero), Is.False);
            transport.Status = 0;
        }

        End(backend);
        daemon?.End();
    }

    [TestCase(true), TestCase(false), Category(OnceOnly.Name)]
    public void Reset_with_requests_under_way_is_over_when_they_are(bool ours)
    {
        string image = Space.Image(64 << 20);
        string socket = Space.Path("s.sock");
        using Tool? backend = ours ? HandStarted.VhostUserBackend(Space, image, socket, "--queues", "2") : null;
        using StorageDaemon? daemon = ours ? null : new StorageDaemon(Space, image, "raw", name: "s");
        using VhostUserTransport transport = new(socket, Tool.StandardTimeout);
        BlkDriver driver = new(transport, new BlkDriverOptions { Queues = 1, QueueSize = 64, MaxSlots = 16 });
        BlkQueue queue = driver.CreateQueue(0, new NoCompletion());
        int slots = 0;
        for (; queue.TryTakeSlot(out int slot); slots++)
        {
            unsafe
            {
                queue.Read(slot, slot * (QueueMemory.MaxTransfer / BlkConfig.SectorSize), queue.Payload(slot), QueueMemory.MaxTransfer);
            }
        }

        queue.Submit();
        transport.Status = 0;
        ForEachPayload(payload => payload.Fill(0xA5));
        _ = new BlkDriver(transport, new BlkDriverOptions { Queues = 1 }); // the back end has turned to the next session
        ForEachPayload(payload => Assert.That(payload.IndexOfAnyExcept((byte)0xA5), Is.EqualTo(-1), "written to after the reset"));
        transport.Status = 0;
        End(backend);
        daemon?.End();

        unsafe void ForEachPayload(SpanAction action)
        {
            for (int slot = 0; slot < slots; slot++)
            {
                action(new Span<byte>(queue.Payload(slot), QueueMemory.MaxTransfer)); // that much belongs to each slot
            }
        }
    }

    private delegate void SpanAction(Span<byte> bytes);

    private static void End(Tool? process)
    {
        process?.Signal(LiveProcess.SigTerm);
        process?.WaitForExit(Tool.StandardTimeout).Succeeded();
    }

    private sealed class NoCompletion : IBlkCompletion
    {
        public void Completed(int slot, BlkStatus status)
        {
        }
    }
}
