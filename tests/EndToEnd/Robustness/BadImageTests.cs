namespace EndToEnd.Robustness;

/// <summary>Images that cannot be attached: one line that names the file and the remedy, exit 1, and nothing is left.</summary>
public sealed class BadImageTests : EndToEndTest
{
    [Test]
    public void Missing_image_is_refused()
    {
        string image = Space.Path("missing.img");
        Attach(image).RefusedInOneLine(1, image, "does not exist", $"vdisk create {image}");
    }

    [Test]
    public void Directory_is_refused()
    {
        string image = Space.Folder("folder");
        Attach(image).RefusedInOneLine(1, image, "is a directory", "name an image");
    }

    [Test]
    public void Empty_image_is_refused()
    {
        string image = Space.Image(0);
        Attach(image).RefusedInOneLine(1, image, "is empty", "truncate -s");
    }

    [Test]
    public void Image_of_part_of_a_sector_is_refused()
    {
        string image = Space.Image(1000);
        Attach(image).RefusedInOneLine(1, image, "multiple of 512", "truncate -s 1024");
    }

    [Test]
    public void Image_without_permission_is_refused()
    {
        string image = Space.Image(1 << 20);
        File.SetUnixFileMode(image, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        string directory = Space.Folder("mnt");
        string runtime = Space.Folder("nobody");
        Tool.Run("chown", "65534:65534", directory, runtime).Succeeded();
        Tool.Run(
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "env", $"VDISK_RUNTIME_DIR={runtime}/run", $"HOME={runtime}", Programs.Vdisk, "attach", image, directory)
            .RefusedInOneLine(1, image, "may not open it", "change its permissions");
        Assert.That(Directory.GetDirectories($"{runtime}/run"), Is.Empty);
    }

    [Test]
    public void Image_that_is_attached_is_refused_a_second_time()
    {
        string image = Space.Image(1 << 20);
        using AttachedDisk disk = Space.Attach(image);
        Attach(image).RefusedInOneLine(1, image, $"backend (pid {disk.BackendPid})", "stop that first");
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        io.Write(new byte[512], 0);
    }

    [Test]
    public void Image_in_use_by_qemu_is_refused()
    {
        string image = Space.Image(1 << 20);
        using Tool qemu = Tool.Start(
            "qemu-io", ["-f", "raw", image, "-c", "write 0 512", "-c", "sleep 60000"], new Dictionary<string, string>());
        Wait.For("qemu's locks", () => File.ReadAllText("/proc/locks").Contains($":{Inode(image)} ", StringComparison.Ordinal));
        Attach(image).RefusedInOneLine(1, image, $"qemu-io (pid {qemu.Pid})", "stop that first");
        LiveProcess.Signal(qemu.Pid, LiveProcess.SigKill);
        Wait.For("the end of qemu", () => qemu.HasExited);
    }

    [Test]
    public void Qemu_refuses_an_attached_image()
    {
        string image = Space.Image(1 << 20);
        using (Space.Attach(image))
        {
            RunResult write = Tool.Run("qemu-io", "-f", "raw", "-c", "write 0 512", image);
            Assert.That(write.ExitCode, Is.Not.Zero, write.ToString());
            Assert.That(write.Error + write.Output, Does.Contain("\"write\" lock"));
            RunResult resize = Tool.Run("qemu-img", "resize", "-f", "raw", image, "2M");
            Assert.That(resize.ExitCode, Is.Not.Zero, resize.ToString());
            Assert.That(resize.Error, Does.Contain("\"write\" lock"));
        }

        Tool.Run("qemu-io", "-f", "raw", "-c", "write 0 512", image).Succeeded();
    }

    [Test]
    public void Image_attached_for_reading_may_be_attached_for_reading_again()
    {
        string image = Space.Image(1 << 20);
        using AttachedDisk first = Space.Attach(image, "--read-only");
        using AttachedDisk second = Space.Attach(image, "--read-only");
        Attach(image).RefusedInOneLine(1, image, "stop that first");
    }

    private static string Inode(string path) => Tool.Run("stat", "--format=%i", path).Succeeded().Output.Trim();

    private RunResult Attach(string image) => Space.Vdisk("attach", image, Space.Folder("target"));
}
