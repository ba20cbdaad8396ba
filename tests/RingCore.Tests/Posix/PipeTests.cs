using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

[TestFixture]
public sealed class PipeTests
{
    [Test]
    public void Bytes_pass_and_neither_end_blocks()
    {
        using Pipe pipe = new();
        byte[] buffer = new byte[4];
        Assert.That(pipe.ReadEnd.Read(buffer), Is.EqualTo(-Errno.EAGAIN));
        Assert.That(pipe.WriteEnd.Write([1, 2]), Is.EqualTo(2));
        Assert.That(pipe.ReadEnd.Read(buffer), Is.EqualTo(2));
        while (pipe.WriteEnd.Write(new byte[4096]) > 0)
        {
        }

        Assert.That(pipe.WriteEnd.Write([1]), Is.EqualTo(-Errno.EAGAIN));
    }
}
