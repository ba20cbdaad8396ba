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

    private static RunResult Words(string command, string file)
    {
        string[] words = command.Split(' ');
        return Tool.Run(words[0], [.. words[1..], file]);
    }
}
