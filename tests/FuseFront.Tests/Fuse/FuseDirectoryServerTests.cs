using System.Runtime.InteropServices;
using System.Text;
using FuseFront.Fuse;
using FuseFront.Fuse.Wire;
using NUnit.Framework;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>The directory's answers, without a kernel: bytes in, bytes out.</summary>
public sealed class FuseDirectoryServerTests
{
    private const ulong Root = 1;
    private const ulong Disk = 2;
    private const ulong Text = 3;
    private const int DiskSize = 1 << 20;

    private readonly byte[] _reply = new byte[8192];
    private string _text = "first";
    private FuseDirectoryServer _server = null!;

    [SetUp]
    public void CreateServer() => _server = new FuseDirectoryServer(new FuseDirectory(
        FuseFile.Data("disk", () => DiskSize, 0x1B0, 7, 8),
        FuseFile.Text("stats", () => Encoding.UTF8.GetBytes(_text), 0x124, 0, 0)));

    [Test]
    public void Lookup_finds_the_files_by_exact_name()
    {
        Assert.That(Serve(FuseOpcode.Lookup, Root, "disk\0"u8), Is.EqualTo(128));
        FuseEntryOut entry = MemoryMarshal.Read<FuseEntryOut>(_reply);
        Assert.That(entry.NodeId, Is.EqualTo(Disk));
        Assert.That(entry.Attr.Size, Is.EqualTo(DiskSize));
        Assert.That(entry.Attr.Mode, Is.EqualTo(0x81B0));
        Assert.That((entry.Attr.Uid, entry.Attr.Gid), Is.EqualTo((7, 8)));
        Assert.That(Serve(FuseOpcode.Lookup, Root, "dis\0"u8), Is.EqualTo(-Errno.ENOENT));
        Assert.That(Serve(FuseOpcode.Lookup, Disk, "disk\0"u8), Is.EqualTo(-Errno.ENOTDIR));
    }

    [Test]
    public void Text_is_a_snapshot_of_the_moment_it_was_opened()
    {
        ulong handle = Open(Text, 0);
        _text = "second";
        Assert.That(Read(handle, 0, 100), Is.EqualTo("first"));
        Assert.That(Read(handle, 2, 2), Is.EqualTo("rs"));
        Assert.That(Read(handle, 5, 100), Is.Empty);
        Assert.That(Read(Open(Text, 0), 0, 100), Is.EqualTo("second"));
        Assert.That(Serve(FuseOpcode.Release, Text, Bytes(new FuseReleaseIn { Handle = handle })), Is.Zero);
        Assert.That(Serve(FuseOpcode.Read, Text, Bytes(new FuseReadIn { Handle = handle, Size = 1 })), Is.EqualTo(-Errno.EBADF));
    }

    [Test]
    public void Text_longer_than_a_reply_is_read_piece_by_piece()
    {
        _text = new string('a', 10_000) + "b";
        ulong handle = Open(Text, 0);
        Assert.That(Read(handle, 0, 65536), Has.Length.EqualTo(_reply.Length));
        Assert.That(Read(handle, 8192, 65536), Does.EndWith("ab"));
    }

    [Test]
    public void Text_cannot_be_opened_for_writing() =>
        Assert.That(Serve(FuseOpcode.Open, Text, Bytes(new FuseOpenIn { Flags = 2 })), Is.EqualTo(-Errno.EACCES));

    [Test]
    public void Data_is_opened_for_parallel_direct_io()
    {
        Assert.That(Open(Disk, 2), Is.Zero);
        Assert.That(MemoryMarshal.Read<FuseOpenOut>(_reply).OpenFlags, Is.EqualTo(1 | 64));
    }

    [TestCase(FuseSetAttrIn.ValidSize, DiskSize, ExpectedResult = 104)]
    [TestCase(FuseSetAttrIn.ValidSize, DiskSize - 1, ExpectedResult = -Errno.EPERM)]
    [TestCase(FuseSetAttrIn.ValidMode, 0, ExpectedResult = -Errno.EPERM)]
    [TestCase(FuseSetAttrIn.ValidUid, 0, ExpectedResult = -Errno.EPERM)]
    [TestCase(1u << 5, 0, ExpectedResult = 104)]
    public int Setattr_accepts_only_what_is_so_already(uint valid, long size) =>
        Serve(FuseOpcode.SetAttr, Disk, Bytes(new FuseSetAttrIn { Valid = valid, Size = (ulong)size }));

    [TestCase(false)]
    [TestCase(true)]
    public void A_listing_can_be_read_name_by_name(bool withAttributes)
    {
        List<string> names = [];
        for (ulong offset = 0; ; offset++)
        {
            // Room for one record, not for two.
            uint size = withAttributes ? 200u : 40u;
            int length = Serve(
                withAttributes ? FuseOpcode.ReadDirectoryPlus : FuseOpcode.ReadDirectory, Root,
                Bytes(new FuseReadIn { Offset = offset, Size = size }));
            Assert.That(length, Is.LessThanOrEqualTo((int)size));
            if (length == 0)
            {
                break;
            }

            int head = withAttributes ? 128 : 0;
            FuseDirent record = MemoryMarshal.Read<FuseDirent>(_reply.AsSpan(head));
            names.Add(Encoding.UTF8.GetString(_reply, head + 24, (int)record.NameLength));
            Assert.That(record.Offset, Is.EqualTo(offset + 1));
            Assert.That(length % 8, Is.Zero);
        }

        Assert.That(names, Is.EqualTo(new[] { ".", "..", "disk", "stats" }));
    }

    [Test]
    public void A_node_never_given_out_is_ENOENT()
    {
        Assert.That(Serve(FuseOpcode.GetAttr, 4, default), Is.EqualTo(-Errno.ENOENT));
        Assert.That(Serve(FuseOpcode.GetAttr, 0, default), Is.EqualTo(-Errno.ENOENT));
        Assert.That(Serve(FuseOpcode.GetAttr, ulong.MaxValue, default), Is.EqualTo(-Errno.ENOENT));
        Assert.That(Serve(FuseOpcode.Open, 4, Bytes(default(FuseOpenIn))), Is.EqualTo(-Errno.ENOENT));
    }

    [Test]
    public void What_would_change_the_directory_is_EPERM()
    {
        FuseOpcode[] changes =
        [
            FuseOpcode.Create, FuseOpcode.MakeDirectory, FuseOpcode.MakeNode, FuseOpcode.Unlink, FuseOpcode.Rename, FuseOpcode.Link,
            FuseOpcode.SymLink, FuseOpcode.RemoveDirectory, FuseOpcode.Rename2, FuseOpcode.TemporaryFile,
        ];
        Assert.That(changes.Select(c => Serve(c, Root, "name\0"u8)), Is.All.EqualTo(-Errno.EPERM));
    }

    [Test]
    public void Forget_gets_no_reply()
    {
        Assert.That(Serve(FuseOpcode.Forget, Disk, new byte[8]), Is.EqualTo(FuseDirectoryServer.NoReply));
        Assert.That(Serve(FuseOpcode.BatchForget, 0, new byte[4000]), Is.EqualTo(FuseDirectoryServer.NoReply));
    }

    /// <summary>ENOSYS would switch these off for the data file too.</summary>
    [Test]
    public void Text_refuses_data_operations_without_ENOSYS()
    {
        Assert.That(Serve(FuseOpcode.Lseek, Text, new byte[24]), Is.EqualTo(-Errno.EINVAL));
        Assert.That(Serve(FuseOpcode.Fallocate, Text, new byte[32]), Is.EqualTo(-Errno.EOPNOTSUPP));
        Assert.That(Serve(FuseOpcode.Fsync, Text, new byte[16]), Is.Zero);
        Assert.That(Serve(FuseOpcode.Ioctl, Text, new byte[32]), Is.EqualTo(-Errno.ENOTTY));
    }

    [Test]
    public void Any_request_of_any_length_gets_an_answer()
    {
        int seed = Environment.TickCount;
        TestContext.Out.WriteLine($"seed {seed}");
        Random random = new(seed);
        byte[] body = new byte[200];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(body);
            FuseInHeader header = new() { Opcode = (FuseOpcode)random.Next(0, 60), NodeId = (ulong)random.Next(0, 6), Unique = 2 };
            int result = _server.Serve(header, body.AsSpan(0, random.Next(0, 200)), _reply);
            Assert.That(result, Is.InRange(-200, _reply.Length).Or.EqualTo(FuseDirectoryServer.NoReply));
        }
    }

    [TestCase("a/b")]
    [TestCase("..")]
    [TestCase("")]
    public void A_file_has_a_name_that_can_be_looked_up(string name) =>
        Assert.That(() => FuseFile.Data(name, () => 0, 0, 0, 0), Throws.InstanceOf<ArgumentException>());

    private ulong Open(ulong node, uint flags)
    {
        Assert.That(Serve(FuseOpcode.Open, node, Bytes(new FuseOpenIn { Flags = flags })), Is.EqualTo(16));
        return MemoryMarshal.Read<FuseOpenOut>(_reply).Handle;
    }

    private string Read(ulong handle, ulong offset, uint size)
    {
        int length = Serve(FuseOpcode.Read, Text, Bytes(new FuseReadIn { Handle = handle, Offset = offset, Size = size }));
        Assert.That(length, Is.Not.Negative);
        return Encoding.UTF8.GetString(_reply, 0, length);
    }

    private int Serve(FuseOpcode opcode, ulong node, ReadOnlySpan<byte> body) =>
        _server.Serve(new FuseInHeader { Opcode = opcode, NodeId = node, Unique = 2 }, body, _reply);

    private static byte[] Bytes<T>(T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray();
}
