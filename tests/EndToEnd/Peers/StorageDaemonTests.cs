using System.Text.Json.Nodes;
using RingCore.Hosting;

namespace EndToEnd.Peers;

/// <summary>The front over another project's back end: a qcow2 image, served by qemu-storage-daemon over vhost-user.</summary>
public sealed class StorageDaemonTests : EndToEndTest
{
    private const long ImageBytes = 256 << 20;

    [Test]
    public void File_system_in_a_qcow2_image_is_sound_and_qemu_sees_the_same_bytes()
    {
        string image = StorageDaemon.CreateImage(Space, ImageBytes);
        string copy = Space.Path("copy.raw");
        using StorageDaemon daemon = new(Space, image, "qcow2");
        using (AttachedDisk disk = Space.Attach(daemon.Disk))
        {
            Assert.That(new FileInfo(disk.DiskFile).Length, Is.EqualTo(ImageBytes));
            Tool.Run("mkfs.ext4", "-q", "-F", disk.DiskFile).Succeeded();
            string directory = Space.Folder("fs");
            Tool.Run("mount", "-o", "loop", disk.DiskFile, directory).Succeeded();
            string file = Path.Combine(directory, "data");
            using (FileStream data = File.Create(file))
            {
                data.SetLength(48 << 20);
            }

            Fio.Run(
                file, "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bsrange=4k-128k", "--blockalign=4k", "--iodepth=16",
                "--numjobs=2", "--size=24m", "--offset_increment=24m", "--fallocate=none", "--verify=crc32c", "--end_fsync=1");
            Tool.Run("umount", directory).Succeeded();
            Tool.Run("dd", $"if={disk.DiskFile}", $"of={copy}", "bs=1M", "conv=sparse", "status=none").Succeeded();
        }

        daemon.End();
        Tool.Run("qemu-img", "check", "-q", image).Succeeded();
        Tool.Run("qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", image, copy).Succeeded();
        Tool.Run("e2fsck", "-f", "-n", copy).Succeeded();
    }

    [Test]
    public void Unaligned_writes_flushes_and_holes_reach_the_image()
    {
        string image = StorageDaemon.CreateImage(Space, 64 << 20);
        using StorageDaemon daemon = new(Space, image, "qcow2");
        using (AttachedDisk disk = Space.Attach(daemon.Disk, "--queues", "2", "--queue-size", "16"))
        {
            Fio.Run(
                disk.DiskFile, "--ioengine=libaio", "--rw=randwrite", "--bsrange=512-64k", "--bs_unaligned", "--iodepth=16", "--numjobs=2",
                "--offset=333", "--size=4000001", "--offset_increment=4000001", "--verify=crc32c");
            using DiskIo io = DiskIo.Open(disk.DiskFile);
            byte[] data = TestData.Random(8 << 20, seed: 61);
            io.Write(data, 32 << 20);
            Assert.That(io.Sync(), Is.Zero);
            long allocated = FileState.AllocatedBytes(image);
            Tool.Run("fallocate", "--punch-hole", "--offset", $"{32 << 20}", "--length", $"{8 << 20}", disk.DiskFile).Succeeded();
            Assert.That(io.Sync(), Is.Zero);
            Assert.That(io.Read(32 << 20, data.Length), Is.All.Zero);
            Assert.That(FileState.AllocatedBytes(image), Is.LessThan(allocated - (6 << 20)), "the hole's clusters are given back");
        }

        daemon.End();
        Tool.Run("qemu-img", "check", "-q", image).Succeeded();
    }

    [Test]
    public void Blocks_of_4096_bytes_can_be_written_in_part()
    {
        string image = Space.Image(16 << 20, "disk.raw");
        using StorageDaemon daemon = new(Space, image, "raw", blockSize: 4096);
        byte[] data = TestData.Random(512, seed: 63);
        using (AttachedDisk disk = Space.Attach(daemon.Disk))
        {
            Fio.Run(
                disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bsrange=512-64k", "--bs_unaligned", "--iodepth=16",
                "--offset=1m", "--size=8m", "--verify=crc32c");
            using DiskIo io = DiskIo.Open(disk.DiskFile);
            io.Write(data, 512);
            Assert.That(io.Read(512, 512), Is.EqualTo(data));
            Tool.Run("fallocate", "--punch-hole", "--offset", "600", "--length", "100", disk.DiskFile).Succeeded();
            data.AsSpan(600 - 512, 100).Clear();
        }

        daemon.End();
        using DiskIo file = DiskIo.Open(image, DiskIo.ReadOnly);
        Assert.That(file.Read(0, 1536), Is.EqualTo((byte[])[.. new byte[512], .. data, .. new byte[512]]));
    }

    [Test, Category(OnceOnly.Name)]
    public void File_system_is_mounted_from_a_back_end()
    {
        string image = Space.Image(64 << 20, "disk.raw");
        Tool.Run("mkfs.ext4", "-q", "-F", image).Succeeded();
        using StorageDaemon daemon = new(Space, image, "raw");
        string directory = Space.Folder("fs");
        byte[] data = TestData.Random(5 << 20, seed: 62);
        Space.Vdisk("mount", daemon.Disk, directory).Succeeded();
        File.WriteAllBytes(Path.Combine(directory, "file"), data);
        Space.Vdisk("umount", directory).Succeeded();
        Space.Vdisk("mount", daemon.Disk, directory).Succeeded();
        Assert.That(File.ReadAllBytes(Path.Combine(directory, "file")), Is.EqualTo(data));
        Space.Vdisk("umount", directory).Succeeded();
        daemon.End();
        Tool.Run("e2fsck", "-f", "-n", image).Succeeded();
    }

    [Test, Category(OnceOnly.Name)]
    public void Image_that_is_served_read_only_is_a_read_only_disk()
    {
        using StorageDaemon daemon = new(Space, Space.Image(1 << 20), "raw", writable: false);
        using AttachedDisk disk = Space.Attach(daemon.Disk);
        Assert.That(DiskIo.TryOpen(disk.DiskFile, DiskIo.ReadWrite, out _), Is.EqualTo(Posix.EROFS));
        using DiskIo io = DiskIo.Open(disk.DiskFile, DiskIo.ReadOnly);
        Assert.That(io.Read(0, 4096), Is.All.Zero);
    }

    [Test]
    public void Killed_back_end_means_errors_and_a_clean_detach()
    {
        using StorageDaemon daemon = new(Space, StorageDaemon.CreateImage(Space, 64 << 20), "qcow2");
        using AttachedDisk disk = Space.Attach(daemon.Disk);
        using BusyWriters writers = new(disk.DiskFile);
        Wait.For("writes", () => Front(disk).Queues.Sum(q => q.Operations.Write.Requests) > 500);
        daemon.Kill();
        Assert.That(writers.WaitForErrors(Tool.StandardTimeout), Is.True, "pending requests hang");
        Assert.That(writers.Errors, Is.All.EqualTo(Posix.EIO));
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            Assert.That(io.TryRead(new byte[512], 0), Is.EqualTo(-Posix.EIO));
        }

        Assert.That((string?)Space.List().Single()["state"], Is.EqualTo("backend dead"));
        Assert.That(disk.FrontLog, Does.Contain("the backend has closed the connection"));
        writers.Dispose();
        disk.Detach();
    }

    [Test, Category(OnceOnly.Name)]
    public void Commands_say_what_is_not_ours()
    {
        using StorageDaemon daemon = new(Space, Space.Image(1 << 20), "raw");
        using AttachedDisk disk = Space.Attach(daemon.Disk);
        JsonObject entry = Space.List().Single();
        Assert.That((string?)entry["state"], Is.EqualTo("attached"));
        Assert.That((string?)entry["image"], Is.EqualTo(daemon.Disk));
        Assert.That(entry["backend"], Is.Null);
        Assert.That(Space.Vdisk("list").Succeeded().Output, Does.Contain("not ours"));
        Assert.That(Space.Vdisk("stats", disk.Directory).Succeeded().Output, Does.Contain("the back end is not ours"));
        JsonNode stats = JsonNode.Parse(Space.Vdisk("stats", disk.Directory, "--json").Succeeded().Output)!;
        Assert.That(stats["backend"], Is.Null);
        Space.Vdisk("fault", "list", disk.Directory).RefusedInOneLine(1, "another's back end", "vdisk attach IMAGE DIR");
        Space.Vdisk("powercut", disk.Directory).RefusedInOneLine(1, "another's back end");
        Space.Vdisk("log", "mark", disk.Directory, "here").RefusedInOneLine(1, "another's back end");
        Space.Vdisk("attach", daemon.Disk, disk.Directory).RefusedInOneLine(1, "attached already", "vdisk detach");
    }

    [Test, Category(OnceOnly.Name)]
    public void What_cannot_be_attached_is_one_line()
    {
        string directory = Space.Folder("mnt");
        using StorageDaemon daemon = new(Space, Space.Image(1 << 20), "raw");
        Space.Vdisk("attach", daemon.Disk, directory, "--cache", "none").RefusedInOneLine(2, "--cache", daemon.Disk);
        Space.Vdisk("attach", daemon.Disk, directory, "--transitional").RefusedInOneLine(2, "--transitional");
        Space.Vdisk("attach", "vhost-user:", directory).RefusedInOneLine(2, "vhost-user:SOCKET");
        Space.Vdisk("attach", $"vhost-user:{Space.Path("nothing.sock")}", directory).RefusedInOneLine(1, "no backend listens", "docs/peers.md");
        using Tool backend = HandStarted.Backend(Space, Space.Image(1 << 20, "ours.raw"), Space.Path("vfio.sock"));
        Space.Vdisk("attach", $"vhost-user:{Space.Path("vfio.sock")}", directory).RefusedInOneLine(1, "vfio.sock");
        using (AttachedDisk disk = Space.Attach(daemon.Disk))
        {
            Space.Vdisk("attach", daemon.Disk, directory).RefusedInOneLine(1, "does not answer", "serving another front end");
        }

    }

    private FrontStats Front(AttachedDisk disk) =>
        StatsJson.ToFrontStats(JsonNode.Parse(Space.Vdisk("stats", disk.Directory, "--json").Succeeded().Output)!["front"]!.AsObject());
}
