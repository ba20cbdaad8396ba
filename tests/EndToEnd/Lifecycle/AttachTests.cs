using System.Globalization;
using System.Text.Json.Nodes;

namespace EndToEnd.Lifecycle;

/// <summary>Attach, look, detach.</summary>
public sealed class AttachTests : EndToEndTest
{
    [TestCase(512)]
    [TestCase(64 * 1024 * 1024 + 512)]
    public void The_file_has_the_images_exact_size(long bytes)
    {
        using AttachedDisk disk = Space.Attach(Space.Image(bytes));
        Assert.That(new FileInfo(disk.DiskFile).Length, Is.EqualTo(bytes));
        Assert.That(Directory.GetFileSystemEntries(disk.Directory), Is.EqualTo(new[] { disk.DiskFile }));
    }

    [Test]
    public void Create_makes_a_sparse_image_that_attaches()
    {
        string image = Space.Path("new.img");
        Space.Vdisk("create", image, "1.5G").Succeeded();
        Assert.That(new FileInfo(image).Length, Is.EqualTo(3L << 29));
        Assert.That(FileState.AllocatedBytes(image), Is.Zero);
        using AttachedDisk disk = Space.Attach(image);
        Assert.That(new FileInfo(disk.DiskFile).Length, Is.EqualTo(3L << 29));
    }

    [Test]
    public void List_names_image_place_processes_and_logs()
    {
        string image = Space.Image(1 << 20);
        using AttachedDisk disk = Space.Attach(image);
        JsonObject entry = Space.List().Single();
        Assert.Multiple(() =>
        {
            Assert.That((string?)entry["image"], Is.EqualTo(image));
            Assert.That((string?)entry["place"], Is.EqualTo(disk.Directory));
            Assert.That((string?)entry["state"], Is.EqualTo("attached"));
            Assert.That((string?)entry["id"], Is.EqualTo(Path.GetFileName(disk.Logs)));
            Assert.That(LiveProcess.IsAlive(disk.FrontPid) && LiveProcess.IsAlive(disk.BackendPid), Is.True);
            Assert.That(disk.BackendLog, Does.Contain(image));
            Assert.That(disk.FrontLog, Does.Contain("queues"));
        });
        string table = Space.Vdisk("list").Succeeded().Output;
        Assert.That(table, Does.Contain(disk.FrontPid.ToString(CultureInfo.InvariantCulture)));
    }

    [Test]
    public void Two_disks_live_side_by_side()
    {
        using AttachedDisk first = Space.Attach(Space.Image(1 << 20, "a.img"));
        using AttachedDisk second = Space.Attach(Space.Image(2 << 20, "b.img"));
        Assert.That(Space.List(), Has.Count.EqualTo(2));
        first.Detach();
        Assert.That(new FileInfo(second.DiskFile).Length, Is.EqualTo(2 << 20));
        Assert.That(Space.List(), Has.Count.EqualTo(1));
    }

    [Test]
    public void Read_only_attachment_reads_and_refuses_writes()
    {
        string image = Space.Image(1 << 20);
        File.WriteAllText(image, new string('x', 1 << 20));
        using AttachedDisk disk = Space.Attach(image, "--read-only");
        Assert.That(File.ReadAllText(disk.DiskFile), Is.EqualTo(new string('x', 1 << 20)));

        int errno = DiskIo.TryOpen(disk.DiskFile, DiskIo.ReadWrite, out _);
        Assert.That(errno, Is.EqualTo(Posix.EROFS).Or.EqualTo(Posix.EACCES));
        Assert.That(File.ReadAllText(image), Is.EqualTo(new string('x', 1 << 20)));
        Assert.That(disk.Stats().Backend.ReadOnly, Is.True);
    }

    [Test]
    public void One_tebibyte_sparse_image_is_written_and_read_near_its_end()
    {
        const long size = 1L << 40;
        string image = Space.Image(size);
        byte[] data = TestData.Random(1 << 20, seed: 1);
        long[] places = [0, (1L << 32) - 4096, (1L << 39) + 511, size - data.Length];
        using (AttachedDisk disk = Space.Attach(image))
        {
            Assert.That(new FileInfo(disk.DiskFile).Length, Is.EqualTo(size));
            using DiskIo io = DiskIo.Open(disk.DiskFile);
            foreach (long place in places)
            {
                io.Write(data, place);
            }

            foreach (long place in places)
            {
                Assert.That(io.Read(place, data.Length), Is.EqualTo(data), $"at {place}");
            }
        }

        using DiskIo direct = DiskIo.Open(image);
        Assert.That(direct.Read(size - data.Length, data.Length), Is.EqualTo(data));
        Assert.That(FileState.AllocatedBytes(image), Is.LessThan(16 << 20));
    }
}
