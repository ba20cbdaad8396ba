namespace EndToEnd.CrashTesting;

/// <summary>File systems that survive a power cut at any moment pass; what does not is caught.</summary>
[Category(OnceOnly.Name)]
public sealed class FileSystemCrashTests : EndToEndTest
{
    [Test]
    public void Ext4_keeps_what_was_synced_in_every_mode()
    {
        RecordedFileSystem ext4 = new(Space, "mkfs.ext4 -q -F");
        ext4.Work(threads: 3, files: 3);
        ext4.Close();
        CrashReport report = ext4.CrashTest("--check", ext4.Ext4Check(), "--limit", "150").Passed();
        Assert.That(report.States("flush"), Is.GreaterThan(20));
        Assert.That(report.States("prefix"), Is.GreaterThan(50));
        Assert.That(report.States("reorder"), Is.GreaterThan(75));
    }

    [Test]
    public void Ext4_on_a_disk_that_drops_flushes_is_caught()
    {
        RecordedFileSystem ext4 = new(Space, "mkfs.ext4 -q -F", faultRules: "on flush drop\n");
        ext4.Work(threads: 3, files: 2);
        ext4.Close();
        ext4.CrashTest("--check", ext4.Ext4Check(), "--limit", "60", "--minimize", "3").Caught();
    }

    [Test]
    public void Ext2_is_caught_in_prefix_mode()
    {
        RecordedFileSystem ext2 = new(Space, "mkfs.ext2 -q -F");
        ext2.Work(threads: 2, files: 2);
        ext2.Close();

        // A mounted ext2 is marked as such, which alone is no fault: fsck forgives it when told to go on.
        ext2.CrashTest("--mode", "prefix", "--minimize", "3", "--check", "PATH=$PATH:/usr/sbin:/sbin; e2fsck -fn {}").Caught();
    }

    [TestCase("mkfs.xfs -q -f", 512 << 20, "nouuid", "xfs_repair -n {}")]
    [TestCase("mkfs.btrfs -q -f", 128 << 20, "defaults", "btrfs check --readonly {}")]
    public void Xfs_and_btrfs_keep_what_was_synced(string mkfs, long bytes, string options, string check)
    {
        RecordedFileSystem fs = new(Space, mkfs, bytes);
        fs.Work(threads: 2, files: 2);
        fs.Close();
        string script = Space.Path("content.sh");
        string work = Space.Folder("work");
        File.WriteAllText(script, """
            thread=0
            for safe in $VDISK_MARK; do
                thread=$((thread + 1))
                for file in $(seq 1 $safe); do
                    [ "$(cat "f$thread.$file")" = "begin $thread $file
            end $thread $file" ] || { echo "f$thread.$file is not what was synced"; exit 1; }
                done
            done
            """);
        CrashReport report = fs.CrashTest(
            "--mount-check", $"sh '{script}'", "--mount-options", options, "--check", $"PATH=$PATH:/usr/sbin:/sbin; {check}",
            "--work", work, "--jobs", "1", "--limit", "30").Passed();
        Assert.That(report.States("flush"), Is.GreaterThan(5));
        Assert.That(report.States("prefix"), Is.GreaterThan(15));
        Assert.That(report.States("reorder"), Is.GreaterThan(15));
        Assert.That(Leftovers.LoopDevices(work), Is.Empty);
    }
}
