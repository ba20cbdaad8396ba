using System.Security.Cryptography;
using RingCore.Virtio;

namespace EndToEnd.Guests;

/// <summary>A Linux kernel's own virtio-blk driver, in a virtual machine, on our backend.</summary>
[Category(OnceOnly.Name)]
public sealed class GuestDiskTests : EndToEndTest
{
    private const long ImageBytes = 128 << 20;
    private const int PartitionStart = 2048; // sectors

    /// <summary>Shows what the guest sees of its disk.</summary>
    private const string ShowDisk = """
        disk=/sys/block/vda
        show serial $(cat $disk/serial)
        show sectors $(cat $disk/size)
        show queues $(ls $disk/mq | wc -l)
        show features $(cat /sys/bus/virtio/devices/virtio0/features)
        """;

    private string Socket => Space.Path("s.sock");

    [Test]
    public void Guest_partitions_formats_writes_discards_and_finds_it_all_again()
    {
        string image = Space.Image(ImageBytes);
        using Tool backend = HandStarted.VhostUserBackend(Space, image, Socket, "--queues", "4", "--serial", "guest-disk");
        GuestReport first = VirtualMachine.Run(Space, Socket, "first", $$"""
            {{ShowDisk}}
            printf 'n\np\n1\n{{PartitionStart}}\n\nw\n' | fdisk /dev/vda >/tmp/fdisk
            show partition $(cat $disk/vda1/start) $(cat $disk/vda1/size)
            mkfs.ext4 -q /dev/vda1
            mount -t ext4 /dev/vda1 /mnt
            dd if=/dev/urandom of=/mnt/kept bs=64k count=128 2>/dev/null
            dd if=/dev/zero of=/mnt/dropped bs=1M count=48 2>/dev/null
            sync
            show written $(sha256sum </mnt/kept)
            umount /mnt
            """);
        long allocated = FileState.AllocatedBytes(image);
        Assert.Multiple(() =>
        {
            Assert.That(first["serial"], Is.EqualTo("guest-disk"));
            Assert.That(first.Number("sectors"), Is.EqualTo(ImageBytes / BlkConfig.SectorSize));
            Assert.That(first.Number("queues"), Is.EqualTo(1));
            Assert.That(first["partition"], Is.EqualTo($"{PartitionStart} {(ImageBytes / BlkConfig.SectorSize) - PartitionStart}"));
            Assert.That(allocated, Is.GreaterThan(48 << 20));
        });

        // The same disk in another machine, with other rings.
        GuestReport second = VirtualMachine.Run(Space, Socket, "second", """
            mount -t ext4 /dev/vda1 /mnt
            show read $(sha256sum </mnt/kept)
            rm /mnt/dropped
            sync
            fstrim /mnt
            umount /mnt
            """, "num-queues=4,queue-size=256", cpus: 4);
        Assert.That(second["read"], Is.EqualTo(first["written"]));
        Assert.That(FileState.AllocatedBytes(image), Is.LessThan(allocated - (40 << 20)), "what the guest has discarded is still there");
        End(backend);

        string partition = $"{image}?offset={(long)PartitionStart * BlkConfig.SectorSize}";
        Tool.Run("e2fsck", "-f", "-n", partition).Succeeded();
        Tool.Run("debugfs", "-R", $"dump /kept {Space.Path("kept")}", partition).Succeeded();
        Assert.That(first["written"], Does.StartWith(Tool.Run("sha256sum", Space.Path("kept")).Succeeded().Output.Split(' ')[0]));
    }

    [TestCase(4, 16, true, true)]
    [TestCase(1, 1024, true, false)]
    [TestCase(4, 1024, false, true)]
    [TestCase(1, 16, false, false)]
    public void Every_shape_of_ring_carries_the_data(int queues, int ringSize, bool eventIndex, bool indirect)
    {
        string image = Space.Image(ImageBytes);
        using Tool backend =
            HandStarted.VhostUserBackend(
                Space, image, Socket, "--queues", $"{queues}", "--queue-size", $"{ringSize}", "--log-level", "debug");
        string device = $"num-queues={queues},queue-size={ringSize},event_idx={OnOff(eventIndex)},indirect_desc={OnOff(indirect)},packed=on";
        GuestReport report = VirtualMachine.Run(Space, Socket, "guest", ShowDisk + "\n" + """
            # Four writers at once, each with a part of its own; then all is read again, from the disk.
            dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
            for i in 0 1 2 3; do
                taskset $((1 << i % $(nproc))) dd if=/tmp/data of=/dev/vda bs=$((4 << i))k seek=$((4096 * (i + 1) / (4 << i))) oflag=direct 2>/dev/null &
            done
            wait
            dd if=/tmp/data of=/dev/vda bs=1M seek=24 2>/dev/null
            sync
            echo 3 >/proc/sys/vm/drop_caches
            show written $(sha256sum </tmp/data)
            for i in 4 8 12 16 24; do
                show read$i $(dd if=/dev/vda bs=256k skip=$((i * 4)) count=16 2>/dev/null | sha256sum)
            done
            blkdiscard -o 4194304 -l 4194304 /dev/vda
            """, device, cpus: queues);
        End(backend);
        Assert.Multiple(() =>
        {
            Assert.That(report.Number("queues"), Is.EqualTo(queues));
            Assert.That(File.ReadAllText(Space.Path("backend.log")), Does.Contain($"ring {queues - 1} of {ringSize} runs"));
            Assert.That(HasFeature(report, VirtioFeatures.EventIndex), Is.EqualTo(eventIndex));
            Assert.That(HasFeature(report, VirtioFeatures.IndirectDescriptors), Is.EqualTo(indirect));
            Assert.That(HasFeature(report, VirtioFeatures.PackedRing), Is.False, "packed rings are not offered, whatever the machine wants");
            foreach (int place in (int[])[4, 8, 12, 16, 24])
            {
                Assert.That(report[$"read{place}"], Is.EqualTo(report["written"]), $"at {place} MiB");
            }
        });
        using DiskIo file = DiskIo.Open(image, DiskIo.ReadOnly);
        Assert.That(file.Read(4 << 20, 4 << 20), Is.All.Zero, "discarded");
        string held = Convert.ToHexStringLower(SHA256.HashData(file.Read(24 << 20, 4 << 20)));
        Assert.That(report["written"], Does.StartWith(held));
    }

    private static string OnOff(bool on) => on ? "on" : "off";

    /// <summary>The kernel shows the bits that driver and device agreed on, from bit 0 on.</summary>
    private static bool HasFeature(GuestReport report, VirtioFeatures feature) =>
        report["features"][System.Numerics.BitOperations.TrailingZeroCount((ulong)feature)] == '1';

    private static void End(Tool backend)
    {
        backend.Signal(LiveProcess.SigTerm);
        backend.WaitForExit(Tool.StandardTimeout).Succeeded();
    }
}
