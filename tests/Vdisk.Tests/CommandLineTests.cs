using System.Diagnostics;
using NUnit.Framework;

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
    public void Failure_is_one_line_that_says_what_to_do_and_code_1(string arguments, string remedy)
    {
        ExpectLine(1, remedy, arguments);
        string run = Path.Combine(_folder, "run");
        Assert.That(!Directory.Exists(run) || Directory.GetDirectories(run).Length == 0, "nothing is left");
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
