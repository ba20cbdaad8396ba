using System.Diagnostics;
using NUnit.Framework;
using RingCore.Hosting;

namespace Vdisk.Tests;

/// <summary>The program itself, as far as it goes without the two halves: what a wrong or impossible command says.</summary>
public sealed class CommandLineTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("vd").FullName;
        Directory.CreateDirectory(Path.Combine(_folder, "dir"));
        Directory.CreateDirectory(Path.Combine(_folder, "full", "sub"));
        File.WriteAllText(Path.Combine(_folder, "file"), "");
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("bogus")]
    [TestCase("attach")]
    [TestCase("attach img dir --queues 0")]
    [TestCase("attach img dir --queue-size 3")]
    [TestCase("attach img dir --queue-size 65536")]
    [TestCase("attach img dir --bogus")]
    [TestCase("attach img dir --fuse 9p")]
    [TestCase("mount img dir --partition -1")]
    [TestCase("create img")]
    [TestCase("create img 1.7")]
    [TestCase("create img 100")]
    [TestCase("detach dir --timeout 0")]
    [TestCase("detach dir --timeout 2h")]
    [TestCase("fault wait dir rule --timeout soon")]
    [TestCase("mount img dir --via fuse2fs --type ext4")]
    public void Wrong_command_line_is_one_line_and_code_2(string arguments) => ExpectLine(2, "--help", arguments);

    [TestCase("attach img nowhere", "mkdir -p")]
    [TestCase("attach img file", "not a folder")]
    [TestCase("attach img full", "--nonempty")]
    [TestCase("attach img dir", "scripts/build")]
    [TestCase("mount img nowhere", "mkdir -p")]
    [TestCase("detach dir", "vdisk list")]
    [TestCase("umount dir", "vdisk list")]
    [TestCase("stats dir", "vdisk list")]
    [TestCase("create file 1M", "--force")]
    [TestCase("create dir 1M --force", "another name")]
    [TestCase("create nowhere/img 1M", "mkdir -p")]
    [TestCase("replay log --base img -o file", "--force")]
    [TestCase("replay log --base img -o dir --force", "another name")]
    [TestCase("replay log --base img -o /dev/null --force", "another name")]
    [TestCase("crashtest log --base img --check {} --json nowhere/report", "choose another place")]
    [TestCase("crashtest log --base img --check {} --html dir", "choose another place")]
    [TestCase("crashtest log --base img --check {} --json report", "attach --record")]
    [TestCase("log show log", "attach --record")]
    [TestCase("fault check nowhere", "name a file")]
    [TestCase("fault check dir", "name a file")]
    [TestCase("detach dir --timeout 1m", "vdisk list")]
    [TestCase("detach dir --timeout 5", "vdisk list")]
    [TestCase("fault wait dir rule --timeout 5", "vdisk list")]
    public void Failure_is_one_line_that_says_what_to_do_and_code_1(string arguments, string remedy)
    {
        ExpectLine(1, remedy, arguments);
        string run = Path.Combine(_folder, "run");
        Assert.That(!Directory.Exists(run) || Directory.GetDirectories(run).Length == 0, "nothing is left");
        Assert.That(Directory.GetFileSystemEntries(_folder).Except([run]).Select(Path.GetFileName), Is.EquivalentTo(["dir", "file", "full"]));
    }

    [TestCase("--help")]
    [TestCase("--version")]
    [TestCase("attach --help")]
    [TestCase("list")]
    [TestCase("list --json")]
    public void Question_is_answered(string arguments)
    {
        (int code, string output, string error) = Run(arguments);
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Is.Not.Empty);
    }

    [Test]
    public void Image_is_sparse_and_replaced_only_by_force()
    {
        string image = Path.Combine(_folder, "img");
        Assert.That(Run("create img 1T").Code, Is.Zero);
        Assert.That(new FileInfo(image).Length, Is.EqualTo(1L << 40));
        ExpectLine(1, "--force", "create img 1M");
        Assert.That(Run("create img 1M --force").Code, Is.Zero);
        Assert.That(new FileInfo(image).Length, Is.EqualTo(1L << 20));
    }

    [Test]
    public void Image_that_is_too_large_for_its_file_system_is_refused()
    {
        const long Size = 8388607L << 40;
        if (TakesFileOf(Size))
        {
            Assert.Ignore("this file system takes a file of any size");
        }

        ExpectLine(1, "smaller size", "create img 8388607T");
        Assert.That(Directory.GetFiles(_folder), Has.Length.EqualTo(1), "nothing is left");
    }

    [TestCase("create img 1M --force")]
    [TestCase("replay log --base file -o img --force")]
    [TestCase("replay log --base file -o link/img --force")]
    public void Attached_image_is_not_replaced(string arguments)
    {
        File.WriteAllText(Path.Combine(_folder, "img"), "content");
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), _folder);
        AttachmentFolder attachment = new RuntimeFolder(Path.Combine(_folder, "run")).Attachment("dir");
        Directory.CreateDirectory(attachment.Path);
        attachment.Write(Records.Of(Path.Combine(_folder, "img"), Path.Combine(_folder, "dir")) with { Backend = ProcessIdentity.Current });
        ExpectLine(1, "vdisk detach", arguments);
        Assert.That(File.ReadAllText(Path.Combine(_folder, "img")), Is.EqualTo("content"));
    }

    [TestCase("attach img spot", "exit 3")]
    [TestCase("attach img spot --foreground", "exit 3")]
    [TestCase("mount img spot --via loop", "exit 3")]
    [TestCase("attach img spot", "exec sleep 600")]
    public void Process_that_fails_without_a_word_has_its_log_shown(string arguments, string ending)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "spot"));
        string backend = Path.Combine(_folder, "dir", "backend");
        File.WriteAllText(backend, $$"""
            #!/bin/sh
            for word; do
                case $word in --log-file=*) echo 'this is why' >>"${word#--log-file=}" ;; esac
            done
            {{ending}}
            """);
        File.SetUnixFileMode(backend, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        (int code, _, string error) = Run(arguments);
        string[] lines = error.TrimEnd('\n').Split('\n');
        Assert.That(code, Is.EqualTo(1), error);
        Assert.That(lines, Has.Length.EqualTo(2), error);
        Assert.That(lines[0], Is.EqualTo("backend   | this is why"));
        Assert.That(lines[1], Does.StartWith("vdisk: backend ").And.Contains("--log-level debug"));
        Assert.That(Directory.GetDirectories(Path.Combine(_folder, "run")), Is.Empty, "nothing is left");
    }

    private bool TakesFileOf(long size)
    {
        string path = Path.Combine(_folder, "probe");
        try
        {
            using FileStream probe = new(path, FileMode.CreateNew);
            probe.SetLength(size);
            return true;
        }
        catch (ArgumentOutOfRangeException)
        {
            return false;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private void ExpectLine(int expectedCode, string words, string arguments)
    {
        (int code, string output, string error) = Run(arguments);
        Assert.That(code, Is.EqualTo(expectedCode), error);
        Assert.That(output, Is.Empty);
        Assert.That(error.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1));
        Assert.That(error, Does.StartWith("vdisk: ").And.Contains(words));
    }

    private (int Code, string Output, string Error) Run(string arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "vdisk"), arguments.Split(' '))
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["VDISK_RUNTIME_DIR"] = Path.Combine(_folder, "run");
        start.Environment["VDISK_BIN"] = Path.Combine(_folder, "dir"); // which holds no backend
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        Assert.That(process.WaitForExit(60_000));
        return (process.ExitCode, output.Result, error.Result);
    }
}
