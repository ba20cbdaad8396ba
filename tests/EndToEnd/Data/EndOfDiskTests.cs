namespace EndToEnd.Data;

/// <summary>The disk ends where the image ends, as a block device's does.</summary>
public sealed class EndOfDiskTests : EndToEndTest
{
    private const int Size = (1 << 20) + 512;

    [Test]
    public void Reads_and_writes_stop_at_the_end()
    {
        string image = Space.Image(Size);
        using AttachedDisk disk = Space.Attach(image);
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        byte[] data = TestData.Random(4096, seed: 3);
        byte[] buffer = new byte[4096];
        Assert.Multiple(() =>
        {
            Assert.That(io.TryWrite(data, Size - 1000), Is.EqualTo(1000), "begun inside: short");
            Assert.That(io.TryWrite(data, Size), Is.EqualTo(-Posix.ENOSPC), "at the end");
            Assert.That(io.TryWrite(data, Size + 12345), Is.EqualTo(-Posix.ENOSPC), "past the end");
            Assert.That(io.TryRead(buffer, Size - 1000), Is.EqualTo(1000), "read across the end");
            Assert.That(buffer.AsSpan(0, 1000).SequenceEqual(data.AsSpan(0, 1000)), Is.True, "its content");
            Assert.That(io.TryRead(buffer, Size), Is.Zero, "read at the end");
            Assert.That(io.TryRead(buffer, Size + 12345), Is.Zero, "read past the end");
            Assert.That(new FileInfo(image).Length, Is.EqualTo(Size), "the image's size");
        });
    }

    [Test]
    public void Copying_too_much_says_no_space_left()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(Size));
        RunResult dd = Tool.Run("dd", "if=/dev/zero", $"of={disk.DiskFile}", "bs=64k", "conv=notrunc");
        Assert.That(dd.ExitCode, Is.EqualTo(1));
        Assert.That(dd.Error, Does.Contain("No space left on device").And.Contain($"{Size} bytes"));
    }
}
