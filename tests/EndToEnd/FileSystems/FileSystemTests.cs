using System.Text.RegularExpressions;

namespace EndToEnd.FileSystems;

/// <summary>File systems inside the disk: made, mounted over a loop device, filled, compared and checked.</summary>
public sealed class FileSystemTests : EndToEndTest
{
    private const string Tree = "/usr/include";

    [TestCase("ext4", "mkfs.ext4 -q -F", "e2fsck -f -n")]
    [TestCase("xfs", "mkfs.xfs -q -f", "xfs_repair -n")]
    [TestCase("btrfs", "mkfs.btrfs -q -f", "btrfs check --readonly")]
    public void Holds_a_tree_and_is_sound(string type, string mkfs, string check)
    {
        string image = Space.Image(512 << 20);
        string directory = Space.Folder("fs");
        using (AttachedDisk disk = Space.Attach(image))
        {
            Words(mkfs, disk.DiskFile).Succeeded();
        }

        Space.Vdisk("mount", image, directory).Succeeded();
        Assert.That(File.ReadAllText("/proc/self/mounts"), Does.Match($"{directory} {type} "));
        Tool.Run("cp", "--archive", Tree, directory).Succeeded();
        Tool.Run("sync", "--file-system", directory).Succeeded();
        Space.Vdisk("umount", directory).Succeeded();

        // Read back without any cache of the first mount.
        Space.Vdisk("mount", image, directory, "--read-only").Succeeded();
        Tool.Run("diff", "--recursive", "--no-dereference", Tree, Path.Combine(directory, Path.GetFileName(Tree))).Succeeded();
        Space.Vdisk("umount", directory).Succeeded();

        using (AttachedDisk disk = Space.Attach(image))
        {
            Words(check, disk.DiskFile).Succeeded();
        }
    }

    [Test]
    public void Mount_without_a_file_system_leaves_nothing()
    {
        string image = Space.Image(1 << 20);
        Space.Vdisk("mount", image, Space.Folder("fs")).RefusedInOneLine(1, "file system");
    }

    [Test]
    public void Mount_that_fails_takes_back_all_it_can_and_ends_with_what_went_wrong_first()
    {
        string losetup = Path.Combine(Space.Folder("bin"), "losetup");
        File.WriteAllText(losetup, $"#!/bin/sh\nif [ \"$1\" = --detach ]; then echo 'not today' >&2; exit 1; fi\nexec {Tool.Find("losetup")} \"$@\"\n");
        File.SetUnixFileMode(losetup, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var environment = new Dictionary<string, string>(Space.Environment) { ["PATH"] = $"{Space.Path("bin")}:{Environment.GetEnvironmentVariable("PATH")}" };
        using Tool mount = Tool.Start(Programs.Vdisk, ["mount", Space.Image(1 << 20), Space.Folder("fs")], environment);
        RunResult result = mount.WaitForExit(Tool.StandardTimeout);
        Match device = Regex.Match(result.Error, "/dev/loop[0-9]+");
        Tool.Run("losetup", "--detach", device.Value).Succeeded();
        Assert.That(result.ErrorLines, Has.Length.EqualTo(2), result.ToString());
        Assert.That(result.ErrorLines[0], Does.Contain("cannot be given back: not today"));
        Assert.That(result.ErrorLines[1], Does.StartWith("vdisk: no file system"));
        Space.RequireNothingLeft();
    }

    [Test]
    public void Fuse2fs_shows_a_file_system_to_others_when_told_to()
    {
        string image = Space.Image(16 << 20);
        string directory = Space.Folder("fs");
        Words("mkfs.ext4 -q -F", image).Succeeded();
        Space.Vdisk("mount", image, directory, "--via", "fuse2fs", "--allow-other").Succeeded();
        Assert.That(File.ReadAllText("/proc/self/mounts"), Does.Match($"{directory} fuse[.]ext[^ ]* [^ ]*default_permissions,allow_other"));
        Assert.That(Space.Vdisk("stats", directory).Succeeded().Output, Does.StartWith($"{image} at {directory}\n"));
        Space.Vdisk("umount", directory).Succeeded();
    }

    [Test]
    public void Unmount_is_refused_while_the_hidden_disk_is_in_use()
    {
        string image = Space.Image(16 << 20);
        string directory = Space.Folder("fs");
        Words("mkfs.ext4 -q -F", image).Succeeded();
        Space.Vdisk("mount", image, directory).Succeeded();
        using (File.OpenRead(Path.Combine((string)Space.List().Single()["logs"]!, "mnt", "disk")))
        {
            Space.Vdisk("umount", directory).RefusedInOneLine(1, $"{directory} is in use");
        }

        Space.Vdisk("umount", directory).Succeeded();
    }

    private static RunResult Words(string command, string file)
    {
        string[] words = command.Split(' ');
        return Tool.Run(words[0], [.. words[1..], file]);
    }
}
