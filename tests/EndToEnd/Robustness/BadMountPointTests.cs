namespace EndToEnd.Robustness;

/// <summary>Places where no disk can appear: one line that names the place and the remedy, exit 1, and nothing is left.</summary>
public sealed class BadMountPointTests : EndToEndTest
{
    [Test]
    public void Missing_mount_point_is_refused()
    {
        string place = Space.Path("missing");
        Attach(place).RefusedInOneLine(1, place, "does not exist", "mkdir -p");
    }

    [Test]
    public void File_is_refused()
    {
        string place = Space.Image(512, "file");
        Attach(place).RefusedInOneLine(1, place, "not a folder", "choose");
    }

    [Test]
    public void Folder_with_files_is_refused_without_nonempty()
    {
        string place = Space.Folder("full");
        File.WriteAllText(Path.Combine(place, "precious"), "data");
        Attach(place).RefusedInOneLine(1, place, "not empty", "--nonempty");

        string image = Space.Image(1 << 20);
        Space.Vdisk("attach", image, place, "--nonempty").Succeeded();
        Assert.That(Directory.GetFileSystemEntries(place), Is.EqualTo(new[] { Path.Combine(place, "disk") }));
        Space.Vdisk("detach", place).Succeeded();
        Assert.That(File.ReadAllText(Path.Combine(place, "precious")), Is.EqualTo("data"));
    }

    [Test]
    public void Place_that_has_a_disk_is_refused()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(1 << 20));
        string other = Space.Image(1 << 20, "other.img");
        Space.Vdisk("attach", other, disk.Directory).RefusedInOneLine(1, disk.Directory, "attached already", "vdisk detach");
        Assert.That(new FileInfo(disk.DiskFile).Length, Is.EqualTo(1 << 20));
    }

    [Test]
    public void Detaching_what_is_not_attached_is_refused()
    {
        string place = Space.Folder("empty");
        Space.Vdisk("detach", place).RefusedInOneLine(1, place);
    }

    [Test]
    public void Detaching_a_disk_in_use_is_refused_and_the_disk_lives()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(1 << 20));
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            Space.Vdisk("detach", disk.Directory).RefusedInOneLine(1, disk.Directory, "in use", "--lazy");
            io.Write(new byte[512], 0);
        }
    }

    private RunResult Attach(string place) => Space.Vdisk("attach", Space.Image(1 << 20), place);
}
