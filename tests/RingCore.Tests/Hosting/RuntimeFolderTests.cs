using System.Diagnostics;
using System.Runtime.ExceptionServices;
using NUnit.Framework;
using RingCore.Hosting;
using RingCore.Posix;

namespace RingCore.Tests.Hosting;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class RuntimeFolderTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    private string Root => _scratch["run"];

    public void Dispose() => _scratch.Dispose();

    [Test]
    public void Folder_is_made_private()
    {
        new RuntimeFolder(Root).Ensure();
        Assert.That(PathStatus.TryRead(Root, out PathStatus status), Is.Zero);
        Assert.That((status.IsDirectory, status.Permissions), Is.EqualTo((true, 0b111_000_000)));
    }

    [Test]
    public void Readable_folder_of_ones_own_is_closed()
    {
        Directory.CreateDirectory(Root);
        PathStatus.SetPermissions(Root, 0b111_101_101);
        new RuntimeFolder(Root).Ensure();
        Assert.That(PathStatus.TryRead(Root, out PathStatus status), Is.Zero);
        Assert.That(status.Permissions, Is.EqualTo(0b111_000_000));
    }

    [Test]
    public void Folder_that_others_can_write_is_refused()
    {
        Directory.CreateDirectory(Root);
        PathStatus.SetPermissions(Root, 0b111_111_111);
        Assert.That(() => new RuntimeFolder(Root).Ensure(), Throws.TypeOf<UserErrorException>().With.Message.Contains("others can write"));
    }

    [Test]
    public void Symbolic_link_in_its_place_is_refused()
    {
        Directory.CreateDirectory(_scratch["elsewhere"]);
        File.CreateSymbolicLink(Root, _scratch["elsewhere"]);
        Assert.That(() => new RuntimeFolder(Root).Ensure(), Throws.TypeOf<UserErrorException>().With.Message.Contains("not a folder"));
    }

    [Test]
    public void Lock_is_held_by_one_at_a_time()
    {
        var folder = new RuntimeFolder(Root);
        using var refused = new ManualResetEventSlim();
        AppDomain.CurrentDomain.FirstChanceException += NoteRefusal; // Lock catches it, and tries again
        try
        {
            Task second;
            using (folder.Lock())
            {
                second = OwnThread.Start(() => folder.Lock().Dispose());
                Assert.That(refused.Wait(TimeSpan.FromSeconds(20)), "nobody was kept out");
                Assert.That(second.IsCompleted, Is.False);
            }

            Assert.That(second.Wait(TimeSpan.FromSeconds(20)), "it comes in when the first is gone");
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= NoteRefusal;
        }

        void NoteRefusal(object? sender, FirstChanceExceptionEventArgs e)
        {
            if (e.Exception is IOException { HResult: Errno.EAGAIN })
            {
                refused.Set();
            }
        }
    }

    [Test]
    public void Record_comes_back_as_written()
    {
        var folder = new RuntimeFolder(Root);
        folder.Ensure();
        AttachmentFolder attachment = folder.Attachment(AttachmentFolder.IdFor("/mnt/data"));
        Assert.That(attachment.TryCreate());
        Assert.That(attachment.TryCreate(), Is.False);
        Assert.That(attachment.TryRead(), Is.Null, "no record yet");
        var record = new Attachment
        {
            Id = attachment.Id,
            Image = "/srv/disk \"1\".img",
            Directory = "/mnt/data",
            DirectoryAsGiven = "/mnt/link",
            Backend = ProcessIdentity.Current,
            AttachedAt = DateTimeOffset.UnixEpoch,
            Mount = new InnerMount { Target = "/mnt/fs", TargetAsGiven = "/mnt/fs", Partition = 2, LoopDevice = "/dev/loop0" },
        };
        attachment.Write(record);
        Attachment read = folder.Attachments().Single().TryRead()!;
        Assert.That(read with { BackendArguments = record.BackendArguments, FrontArguments = record.FrontArguments }, Is.EqualTo(record));
    }

    [TestCase("")]
    [TestCase("{")]
    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("{\"id\":\"a\",\"image\":null,\"directory\":\"/d\",\"directoryAsGiven\":\"/d\"}")]
    [TestCase("{\"backend\":5}")]
    public void Spoilt_record_reads_as_none(string json)
    {
        var attachment = new AttachmentFolder(_scratch["a"]);
        attachment.TryCreate();
        File.WriteAllText(attachment.RecordFile, json);
        Assert.That(attachment.TryRead(), Is.Null);
    }

    [Test]
    public void Removal_takes_what_is_known_and_stops_at_what_is_not()
    {
        var attachment = new AttachmentFolder(_scratch["a"]);
        attachment.TryCreate();
        attachment.Write(new Attachment { Id = "a", Image = "/i", Directory = "/d", DirectoryAsGiven = "/d" });
        Directory.CreateDirectory(attachment.HiddenMount);
        File.WriteAllText(attachment.BackendLog, "line");
        File.WriteAllText(Path.Combine(attachment.HiddenMount, "disk"), "a mount that is still there");
        Assert.That(attachment.Remove, Throws.InstanceOf<IOException>());
        Assert.That(File.Exists(Path.Combine(attachment.HiddenMount, "disk")));
        File.Delete(Path.Combine(attachment.HiddenMount, "disk"));
        attachment.Remove();
        Assert.That(Directory.Exists(attachment.Path), Is.False);
        attachment.Remove();
    }

    [Test]
    public void Too_long_a_path_is_refused_before_anything_is_made()
    {
        var attachment = new AttachmentFolder(_scratch[new string('y', 100)]);
        Assert.That(() => attachment.TryCreate(), Throws.TypeOf<UserErrorException>().With.Message.Contains(RuntimeFolder.Variable));
        Assert.That(Directory.Exists(attachment.Path), Is.False);
    }

    [Test]
    public void Names_are_readable_and_told_apart()
    {
        string one = AttachmentFolder.IdFor("/mnt/my disk");
        Assert.That(one, Does.Match("^my_disk-[0-9a-f]{8}$"));
        Assert.That(AttachmentFolder.IdFor("/media/my disk"), Is.Not.EqualTo(one));
        Assert.That(AttachmentFolder.IdFor("/mnt/" + new string('z', 200)), Has.Length.EqualTo(16 + 9));
    }

    [Test]
    public void Process_is_known_by_pid_and_start_time()
    {
        using Process child = Process.Start(new ProcessStartInfo("sleep", "600"))!;
        ProcessIdentity identity = ProcessIdentity.Of(child.Id)!;
        Assert.That(identity.IsAlive());
        Assert.That((identity with { StartTime = identity.StartTime + 1 }).Open(), Is.Null, "the same pid, another process");
        using (ProcessHandle handle = identity.Open()!)
        {
            Assert.That(handle.WaitForExit(TimeSpan.Zero), Is.False);
            Assert.That(handle.Signal(ProcessHandle.SigTerm));
            Assert.That(handle.WaitForExit(TimeSpan.FromSeconds(20)));
        }

        Assert.That(child.WaitForExit(20_000));
        Assert.That(identity.IsAlive(), Is.False);
        Assert.That(identity.Open(), Is.Null);
    }

    [Test]
    public void This_process_is_alive() => Assert.That(ProcessIdentity.Current.IsAlive());
}
