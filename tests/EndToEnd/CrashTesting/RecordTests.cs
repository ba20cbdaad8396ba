using System.Text.Json.Nodes;

namespace EndToEnd.CrashTesting;

/// <summary>A recorded disk can be rebuilt as it was at any point.</summary>
[Category(OnceOnly.Name)]
public sealed class RecordTests : EndToEndTest
{
    private string Log => Space.Path("disk.log");

    [Test]
    public void Replay_gives_the_disk_at_marks_records_and_the_end()
    {
        string image = Space.Image(16 << 20);
        string copy = Space.Path("base.img");
        Tool.Run("cp", "--sparse=always", image, copy).Succeeded();
        using (AttachedDisk disk = Space.Attach(image, "--record", Log))
        {
            Fio.Run(disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bsrange=512-64k", "--iodepth=16", "--io_size=4m", "--size=16m");
            Space.Vdisk("log", "mark", disk.Directory, "half way").Succeeded();
            File.Copy(disk.DiskFile, Space.Path("then.img"));
            Fio.Run(disk.DiskFile, "--ioengine=psync", "--rw=randwrite", "--bs=4k", "--io_size=1m", "--size=16m", "--fsync=16");
            Tool.Run("fallocate", "--punch-hole", "--offset=1MiB", "--length=2MiB", disk.DiskFile).Succeeded();
            Assert.That(disk.Stats().Backend.Recording!.Records, Is.Positive);
            Assert.That(disk.Stats().Backend.Recording!.Failure, Is.Null);
            disk.Detach();
        }

        Replay(copy, "end.img");
        Assert.That(FileState.Hash(Space.Path("end.img")), Is.EqualTo(FileState.Hash(image)));
        Replay(copy, "half.img", "--at", "half way");
        Assert.That(FileState.Hash(Space.Path("half.img")), Is.EqualTo(FileState.Hash(Space.Path("then.img"))));
        Replay(copy, "zero.img", "--at", "0");
        Assert.That(FileState.Hash(Space.Path("zero.img")), Is.EqualTo(FileState.Hash(copy)));
        Assert.That(FileState.AllocatedBytes(Space.Path("zero.img")), Is.LessThan(1 << 20), "holes stay holes");
    }

    [Test]
    public void Log_of_a_killed_backend_is_good_up_to_its_last_whole_record()
    {
        string image = Space.Image(64 << 20);
        string copy = Space.Path("base.img");
        File.Copy(image, copy);
        AttachedDisk disk = Space.Attach(image, "--record", Log);
        using (Tool fio = Fio.Start(
            disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randwrite", "--bs=4k", "--iodepth=32", "--size=64m", "--time_based", "--runtime=60"))
        {
            Wait.For("fio at work", () => new FileInfo(Log).Length > 8 << 20);
            LiveProcess.Signal(disk.BackendPid, LiveProcess.SigKill);
            fio.WaitForExit(Tool.StandardTimeout);
        }

        disk.Detach();
        RunResult show = Space.Vdisk("log", "show", Log, "--json").Succeeded();
        string[] lines = show.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(lines, Has.Length.GreaterThan(1000));
        Assert.That((long)JsonNode.Parse(lines[^1])!["number"]!, Is.EqualTo(lines.Length - 1), "numbers without a gap");
        Assert.That(show.ErrorLines, Has.Length.LessThanOrEqualTo(1));
        Replay(copy, "end.img");

        // One that is surely cut within a record is read as well, and says so.
        using (FileStream file = File.OpenWrite(Log))
        {
            file.SetLength(file.Length - 100);
        }

        Assert.That(Space.Vdisk("log", "show", Log).Succeeded().Error, Does.Contain("no whole record"));
        Replay(copy, "cut.img");
        Space.Vdisk("crashtest", Log, "--base", copy, "--mode", "reorder", "--limit", "20", "--check", "true {}").Succeeded();
    }

    [Test]
    public void Recording_that_ends_is_said_at_detach_and_in_the_counters()
    {
        string folder = Space.Folder("small");
        Tool.Run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder).Succeeded();
        try
        {
            string log = Path.Combine(folder, "disk.log");
            AttachedDisk disk = Space.Attach(Space.Image(16 << 20), "--record", log);
            using (DiskIo io = DiskIo.Open(disk.DiskFile))
            {
                for (int i = 0; i < 16; i++)
                {
                    io.Write(TestData.Random(65536, i), i * 65536);
                }

                Assert.That(io.Sync(), Is.Zero, "the disk goes on");
            }

            Assert.That(disk.Stats().Backend.Recording!.Failure, Does.Contain("No space left"));
            Space.Vdisk("log", "mark", disk.Directory, "late").RefusedInOneLine(1, "recording", "has ended", "No space left");
            Space.Vdisk("detach", disk.Directory).RefusedInOneLine(1, "detached, but recording", "No space left");
            Space.Vdisk("log", "show", log).Succeeded();
        }
        finally
        {
            Tool.Run("umount", folder).Succeeded();
        }
    }

    [Test]
    public void Bad_input_is_one_line_that_says_what_to_do()
    {
        string image = Space.Image(1 << 20);
        string copy = Space.Path("base.img");
        File.Copy(image, copy);
        using (AttachedDisk disk = Space.Attach(image, "--record", Log))
        {
            using DiskIo io = DiskIo.Open(disk.DiskFile);
            io.Write(new byte[4096], 0);
        }

        string other = Space.Image(2 << 20, "other.img");
        string text = Space.Path("text");
        File.WriteAllText(text, "hello");
        string output = Space.Path("out.img");
        Space.Vdisk("attach", image, Space.Folder("again"), "--record", Log).RefusedInOneLine(1, "exists", "--record");
        Space.Vdisk("log", "show", text).RefusedInOneLine(1, "is not a log");
        string header = Space.Path("header");
        File.WriteAllBytes(header, File.ReadAllBytes(Log)[..40]);
        Space.Vdisk("log", "show", header).RefusedInOneLine(1, "ends within its header", "name a log");
        Space.Vdisk("crashtest", text, "--base", copy, "--check", "true {}").RefusedInOneLine(1, "is not a log", "vdisk attach --record");
        Space.Vdisk("crashtest", Log, "--base", other, "--check", "true {}").RefusedInOneLine(1, "has 2097152 bytes", "copy of the disk");
        Space.Vdisk("replay", Log, "--base", other, "-o", output).RefusedInOneLine(1, "has 2097152 bytes", "copy of the disk");
        Space.Vdisk("replay", Log, "--base", image, "-o", output).RefusedInOneLine(1, "recorded disk itself");
        Space.Vdisk("replay", Log, "--base", copy, "--at", "nowhere", "-o", output).RefusedInOneLine(1, "no record or mark 'nowhere'");
        Space.Vdisk("replay", Log, "--base", copy, "--state", "cut:99", "-o", output).RefusedInOneLine(1, "state 'cut:99'");
        Space.Vdisk("replay", Log, "--base", copy, "-o", text).RefusedInOneLine(1, "exists", "--force");
        Space.Vdisk("crashtest", Log, "--base", copy).RefusedInOneLine(2, "--check 'CMD {}'");
        Space.Vdisk("crashtest", Log, "--base", copy, "--check", "true").RefusedInOneLine(2, "{}");
        Space.Vdisk("crashtest", Log, "--base", copy, "--check", "no-such-program {}").RefusedInOneLine(1, "cannot be run", "not found");
        Assert.That(File.Exists(output), Is.False);
        Assert.That(File.ReadAllText(text), Is.EqualTo("hello"));
    }

    [Test]
    public void Attach_that_fails_leaves_no_log_and_touches_none_that_was_there()
    {
        string image = Space.Image(1 << 20);
        string folder = Space.Folder("fs");
        Space.Vdisk("mount", image, folder, "--record", Log).RefusedInOneLine(1);
        Assert.That(File.Exists(Log), Is.False, "the image has no file system: nothing was recorded");
        using (AttachedDisk disk = Space.Attach(image, "--record", Log))
        {
            // The image is in use.
            Space.Vdisk("attach", image, folder, "--record", Space.Path("other.log")).RefusedInOneLine(1, "is being written by");
            Assert.That(File.Exists(Space.Path("other.log")), Is.False);
        }

        Assert.That(File.Exists(Log), Is.True, "the log of a disk that was served stays, though it is empty");
        byte[] before = File.ReadAllBytes(Log);
        Space.Vdisk("attach", image, folder, "--record", Log).RefusedInOneLine(1, "exists");
        Assert.That(File.ReadAllBytes(Log), Is.EqualTo(before));
    }

    [Test]
    public void Check_that_hangs_has_failed_and_leaves_no_process()
    {
        string copy = RecordOneWrite();
        string endless = EndlessCommand();
        RunResult result = Space.Vdisk(
            "crashtest", Log, "--base", copy, "--mode", "prefix", "--timeout", "1", "--minimize", "0", "--check", $"{endless} & {endless}; true {{}}");
        Assert.That(result.ExitCode, Is.EqualTo(1), result.ToString());
        Assert.That(result.Output, Does.Contain("did not end in time"));
        Wait.For("the end of all that the check started", () => LiveProcess.WithCommandLine(endless).Count == 0);
    }

    [Test]
    public void Interrupted_test_leaves_nothing()
    {
        string copy = RecordOneWrite();
        string work = Space.Folder("work");
        string endless = EndlessCommand();
        using Tool tool = Space.StartVdisk("crashtest", Log, "--base", copy, "--work", work, "--check", $"{endless}; true {{}}");
        Wait.For("a check at work", () => Directory.EnumerateFiles(work, "output", SearchOption.AllDirectories).Any());
        tool.Signal(LiveProcess.SigInt);
        tool.WaitForExit(Tool.StandardTimeout).RefusedInOneLine(130, "interrupted");
        Assert.That(Directory.GetFileSystemEntries(work), Is.Empty);
        Wait.For("the end of the check", () => LiveProcess.WithCommandLine(endless).Count == 0);
    }

    [Test]
    public void States_share_their_blocks_with_the_base_where_the_file_system_can()
    {
        string medium = Space.Image(256 << 20, "medium.img");
        string folder = Space.Folder("btrfs");
        string copy = RecordOneWrite(64 << 20);
        Tool.Run("mkfs.btrfs", "-q", medium).Succeeded();
        Tool.Run("mount", "-o", "loop", medium, folder).Succeeded();
        try
        {
            // Eight jobs with 64 MiB of data each have not half the room, unless they share it.
            string full = Path.Combine(folder, "base.img");
            File.Copy(copy, full);
            using (FileStream file = File.OpenWrite(full))
            {
                for (int i = 0; i < 64; i++)
                {
                    file.Write(TestData.Random(1 << 20, i));
                }
            }

            Tool.Run("sync", "--file-system", folder).Succeeded();
            Space.Vdisk("crashtest", Log, "--base", full, "--work", folder, "--jobs", "8", "--check", "true {}").Succeeded();
            Replay(full, "btrfs/out.img");
            Replay(full, "btrfs/out2.img");
            Replay(full, "btrfs/out3.img");
            Replay(full, "btrfs/out4.img");
        }
        finally
        {
            Tool.Run("umount", folder).Succeeded();
        }
    }

    /// <summary>A command line that nobody else has, and that does not end.</summary>
    private string EndlessCommand()
    {
        File.WriteAllText(Space.Path("endless"), "");
        return $"tail -f {Space.Path("endless")}";
    }

    private string RecordOneWrite(long size = 1 << 20)
    {
        string image = Space.Image(size);
        string copy = Space.Path("base.img");
        Tool.Run("cp", "--sparse=always", image, copy).Succeeded();
        using AttachedDisk disk = Space.Attach(image, "--record", Log);
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        io.Write(TestData.Random(4096, 1), 0);
        return copy;
    }

    private void Replay(string baseImage, string output, params string[] options) =>
        Space.Vdisk(["replay", Log, "--base", baseImage, "-o", Space.Path(output), .. options]).Succeeded();
}
