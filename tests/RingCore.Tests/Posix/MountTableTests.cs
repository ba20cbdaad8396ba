using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

public sealed class MountTableTests
{
    private const string Sample = """
        21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
        30 21 0:25 / /mnt/a\040b ro,nosuid,nodev shared:4 master:7 - fuse.vdisk my\054\134image.raw ro,user_id=0
        31 21 0:26 / /mnt/x rw - fuse.vdisk one rw
        32 21 0:27 / /mnt/x rw - tmpfs two rw

        """;

    [Test]
    public void Escaped_characters_come_back()
    {
        MountEntry? entry = MountTable.Parse(Sample).At("/mnt/a b");
        Assert.That(entry, Is.EqualTo(
            new MountEntry(30, "0:25", "/mnt/a b", "ro,nosuid,nodev", "fuse.vdisk", "my,\\image.raw")));
        Assert.That(entry!.IsReadOnly);
    }

    [Test]
    public void The_youngest_mount_at_a_place_is_the_one_on_top()
    {
        MountTable table = MountTable.Parse(Sample);
        Assert.That(table.At("/mnt/x")!.Type, Is.EqualTo("tmpfs"));
        Assert.That(table.Find("0:26", "/mnt/x")!.Source, Is.EqualTo("one"));
        Assert.That(table.At("/mnt"), Is.Null);
    }

    [TestCase("nonsense")]
    [TestCase("21 1 254:0 / / rw,relatime shared:1")]
    [TestCase("21 1 254:0 / / rw,relatime shared:1 - ext4")]
    public void Other_text_is_refused(string line) =>
        Assert.That(() => MountTable.Parse(line), Throws.TypeOf<FormatException>());

    [Test]
    public void This_process_has_a_root() => Assert.That(MountTable.Read().At("/"), Is.Not.Null);
}
