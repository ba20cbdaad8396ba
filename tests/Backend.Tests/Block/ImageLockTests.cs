using System.Diagnostics;
using Backend.Block;
using NUnit.Framework;

namespace Backend.Tests.Block;

/// <summary>Two writers never meet: neither two of ours, nor one of ours and QEMU's tools.</summary>
[TestFixture]
public sealed class ImageLockTests
{
    private ScratchDirectory _scratch = null!;
    private string _path = null!;

    [SetUp]
    public void SetUp()
    {
        _scratch = new ScratchDirectory();
        _path = _scratch.File("disk.img", 1 << 20);
    }

    [TearDown]
    public void TearDown() => _scratch.Dispose();

    [Test]
    public void Second_writer_is_refused_and_told_who_holds_the_image()
    {
        using RawImage first = Open();
        var error = Assert.Throws<ImageException>(() => Open().Dispose())!;
        Assert.That(error.Message, Does.Contain("is being written by this process; stop that first"));
    }

    [Test]
    public void Reader_beside_a_writer_is_refused_both_ways()
    {
        using (Open())
        {
            Assert.Throws<ImageException>(() => Open(readOnly: true).Dispose());
        }

        using (Open(readOnly: true))
        {
            var error = Assert.Throws<ImageException>(() => Open().Dispose())!;
            Assert.That(error.Message, Does.Contain("or attach it with --read-only"));
        }
    }

    [Test]
    public void Readers_coexist()
    {
        using RawImage first = Open(readOnly: true);
        using RawImage second = Open(readOnly: true);
        Assert.That(second.Limits.Length, Is.EqualTo(first.Limits.Length));
    }

    [Test]
    public void Lock_ends_with_the_image()
    {
        Open().Dispose();
        Open().Dispose();
    }

    [Test]
    public void Force_opens_an_image_in_use()
    {
        using RawImage first = Open();
        using RawImage second = RawImage.Open(new RawImageOptions { Path = _path, Force = true });
        Assert.That(second.Limits.Length, Is.EqualTo(first.Limits.Length));
    }

    [Test]
    public void Direct_image_is_locked_as_well()
    {
        using RawImage first = RawImage.Open(new RawImageOptions { Path = _path, Cache = CacheMode.None });
        Assert.Throws<ImageException>(() => Open().Dispose());
    }

    [Test]
    public void Image_written_here_is_refused_by_qemu()
    {
        using (Open())
        {
            (int code, string output) = ScratchDirectory.Run("qemu-io", $"-f raw -c \"write 0 512\" {_path}");
            Assert.That(code, Is.Not.Zero);
            Assert.That(output, Does.Contain("Failed to get \"write\" lock"));
            (code, output) = ScratchDirectory.Run("qemu-img", $"convert -f raw -O raw {_path} {_path}.copy");
            Assert.That(code, Is.Not.Zero);
            Assert.That(output, Does.Contain("Failed to get shared \"write\" lock"));
        }

        Assert.That(ScratchDirectory.Run("qemu-io", $"-f raw -c \"write 0 512\" {_path}").Code, Is.Zero, "afterwards it may");
    }

    [Test]
    public void Image_read_here_may_be_read_but_not_written_by_qemu()
    {
        using RawImage image = Open(readOnly: true);
        Assert.That(ScratchDirectory.Run("qemu-io", $"-r -f raw -c \"read 0 512\" {_path}").Code, Is.Zero);
        Assert.That(ScratchDirectory.Run("qemu-img", $"convert -f raw -O raw {_path} {_path}.copy").Code, Is.Zero);
        Assert.That(
            ScratchDirectory.Run("qemu-io", $"-f raw -c \"write 0 512\" {_path}").Output,
            Does.Contain("Failed to get \"write\" lock"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Image_written_by_qemu_is_refused_here_and_qemu_is_named(bool readOnly)
    {
        using var qemu = new QemuIo(_path);
        var error = Assert.Throws<ImageException>(() => Open(readOnly).Dispose())!;
        Assert.That(error.Message, Does.Contain($"is being written by qemu-io (pid {qemu.Id}); stop that first"));
    }

    [Test]
    public void Image_read_by_qemu_may_be_read_here()
    {
        using var qemu = new QemuIo(_path, "-r");
        using RawImage image = Open(readOnly: true);
        Assert.That(image.Limits.IsReadOnly, Is.True);
    }

    private RawImage Open(bool readOnly = false) => RawImage.Open(new RawImageOptions { Path = _path, ReadOnly = readOnly });

    /// <summary>qemu-io with the image open, until disposed.</summary>
    private sealed class QemuIo : IDisposable
    {
        private readonly Process _process;

        internal QemuIo(string path, string option = "")
        {
            ScratchDirectory.Run("qemu-io", "--version"); // ignores the test where there is none
            _process = Process.Start(new ProcessStartInfo("qemu-io", $"{option} -f raw {path}")
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!;

            // It answers a command once the image is open.
            _process.StandardInput.WriteLine("length");
            _process.StandardInput.Flush();
            var answer = new System.Text.StringBuilder();
            int c;
            while (!answer.ToString().Contains("1 MiB", StringComparison.Ordinal) && (c = _process.StandardOutput.Read()) >= 0)
            {
                answer.Append((char)c);
            }
        }

        internal int Id => _process.Id;

        public void Dispose()
        {
            _process.StandardInput.WriteLine("quit");
            _process.StandardInput.Close();
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
