namespace EndToEnd.Faults;

/// <summary>What programs make of a faulty disk: those that check notice, those that can do without go on.</summary>
[Category(OnceOnly.Name)]
public sealed class ProgramTests : EndToEndTest
{
    [Test]
    public void Fio_finds_the_one_write_that_was_lost()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(16 << 20));
        Fault(disk, "lost: on write at 1M..1028K drop");
        using Tool fio = Fio.Start(
            disk.DiskFile, "--ioengine=psync", "--direct=1", "--rw=write", "--bs=4k", "--size=2m", "--verify=crc32c", "--verify_fatal=0");
        RunResult result = fio.WaitForExit(Tool.StandardTimeout);
        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Error + result.Output, Does.Contain("offset 1048576"));
        Assert.That(Space.Vdisk("fault", "wait", disk.Directory, "lost", "--timeout", "1s").ExitCode, Is.Zero);
        Space.Vdisk("fault", "wait", disk.Directory, "lost", "--hits", "2", "--timeout", "1ms").RefusedInOneLine(1, "1 of 2 times");
    }

    [Test]
    public void Mkfs_does_without_discard_and_the_file_system_is_sound()
    {
        string image = Space.Image(32 << 20);
        using (AttachedDisk disk = Space.Attach(image))
        {
            Fault(disk, "nodiscard: on discard fail EOPNOTSUPP");
            Tool.Run("mkfs.ext4", "-q", "-F", disk.DiskFile).Succeeded();
            Space.Vdisk("fault", "wait", disk.Directory, "nodiscard", "--timeout", "1s").Succeeded();
        }

        Tool.Run("e2fsck", "-fn", image).Succeeded();
    }

    [Test]
    public void Mkfs_says_that_it_failed_when_writes_do()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(32 << 20));
        Fault(disk, "bad: on write at 0..64K fail EIO");
        RunResult mkfs = Tool.Run("mkfs.ext4", "-F", disk.DiskFile);
        Assert.That(mkfs.ExitCode, Is.Not.Zero, mkfs.ToString());
        Assert.That(mkfs.Error, Does.Contain("Input/output error"));
    }

    [Test]
    public void Fsck_finds_a_write_that_landed_elsewhere()
    {
        string image = Space.Image(32 << 20);
        Tool.Run("mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^has_journal", image).Succeeded();
        Tool.Run("e2fsck", "-fn", image).Succeeded();
        using (AttachedDisk disk = Space.Attach(image))
        {
            // The superblock goes over the group descriptors, which are behind it.
            Fault(disk, "astray: on write at 0..4K count 1 misdirect +4K");
            Tool.Run("tune2fs", "-L", "name", disk.DiskFile);
            Space.Vdisk("fault", "wait", disk.Directory, "astray", "--timeout", "1s").Succeeded();
        }

        RunResult fsck = Tool.Run("e2fsck", "-fn", image);
        Assert.That(fsck.ExitCode, Is.Not.Zero, fsck.ToString());
    }

    [Test]
    public void Sqlite_reports_the_failed_sync_and_keeps_what_was_committed()
    {
        string image = Space.Image(32 << 20);
        Tool.Run("mkfs.ext4", "-q", "-F", image).Succeeded();
        string folder = Space.Folder("fs");
        Space.Vdisk("mount", image, folder).Succeeded();
        string database = Path.Combine(folder, "t.db");
        Tool.Run("sqlite3", database, "create table t(n); insert into t values(1);").Succeeded();
        Tool.Run("sync", folder).Succeeded(); // the commit is the removal of a journal, which SQLite itself does not sync
        Space.Vdisk("fault", "add", folder, "dead: on flush fail EIO").Succeeded();
        RunResult insert = Tool.Run("sqlite3", database, "insert into t values(2);");
        Assert.That(insert.ExitCode, Is.Not.Zero);
        Assert.That(insert.Error, Does.Contain("disk I/O error"));
        Space.Vdisk("fault", "wait", folder, "dead", "--timeout", "1s").Succeeded();
        Space.Vdisk("fault", "clear", folder).Succeeded();
        Space.Vdisk("umount", folder).Succeeded();

        Space.Vdisk("mount", image, folder).Succeeded();
        RunResult rows = Tool.Run("sqlite3", database, "pragma integrity_check; select min(n) from t;").Succeeded();
        Space.Vdisk("umount", folder).Succeeded();
        Assert.That(rows.Output, Is.EqualTo("ok\n1\n"));
    }

    private void Fault(AttachedDisk disk, string rule) => Space.Vdisk("fault", "add", disk.Directory, rule).Succeeded();
}
