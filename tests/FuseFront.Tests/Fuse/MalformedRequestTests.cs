using System.Runtime.InteropServices;
using FuseFront.Fuse;
using FuseFront.Fuse.Wire;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>
/// Requests no kernel sends, over a socket that stands for /dev/fuse: each is answered, and the channel goes on.
/// </summary>
public sealed class MalformedRequestTests
{
    private const ulong Disk = 2;
    private MountedDisk _mounted = null!;
    private UnixSocket _kernel = null!;
    private SlotPool _slots = null!;
    private IoThread _thread = null!;
    private DevFuseChannel _channel = null!;
    private ulong _unique;

    [SetUp]
    public void StartChannel()
    {
        _mounted = new MountedDisk();
        (_kernel, UnixSocket device) = UnixSocket.CreatePair();
        _slots = new SlotPool(2, 1 << 20);
        _thread = new IoThread();
        MemoryHandler handler = new(_mounted.Disk);
        _channel = new DevFuseChannel(
            _mounted.Session, 0, _thread.Context, _slots, handler, new FuseDirectoryServer(_mounted.Session.Directory),
            new FuseDevice(device.Descriptor), ownsDevice: true);
        handler.Channel = _channel;
        _channel.Start();
    }

    [TearDown]
    public void StopChannel()
    {
        _channel.Stop();
        Assert.That(_slots.Free, Is.EqualTo(_slots.SlotCount));
        _channel.Dispose();
        _thread.Dispose();
        _slots.Dispose();
        _kernel.Dispose();
        _mounted.Dispose();
    }

    [Test]
    public void A_good_request_is_answered()
    {
        Assert.That(Ask(FuseOpcode.Read, Bytes(new FuseReadIn { Offset = 5, Size = 3 }), out byte[] body), Is.Zero);
        Assert.That(body, Is.EqualTo(_mounted.Disk.Content.Slice(5, 3).ToArray()));
    }

    [Test]
    public void Requests_that_break_the_protocol_are_EINVAL()
    {
        byte[] write = [.. Bytes(new FuseWriteIn { Offset = 0, Size = 8 }), 1, 2, 3, 4];
        (string What, FuseOpcode Opcode, byte[] Body)[] cases =
        [
            ("arguments missing", FuseOpcode.Read, []),
            ("arguments cut short", FuseOpcode.Read, Bytes(default(FuseReadIn))[..39]),
            ("read longer than a slot", FuseOpcode.Read, Bytes(new FuseReadIn { Size = (1 << 20) + 1 })),
            ("read at a negative offset", FuseOpcode.Read, Bytes(new FuseReadIn { Offset = ulong.MaxValue, Size = 1 })),
            ("read over the end of all offsets", FuseOpcode.Read, Bytes(new FuseReadIn { Offset = long.MaxValue, Size = 1 })),
            ("less data than said", FuseOpcode.Write, write),
            ("more data than said", FuseOpcode.Write, [.. write, .. new byte[100]]),
            ("write of a size that is no int", FuseOpcode.Write, Bytes(new FuseWriteIn { Size = uint.MaxValue })),
            ("fsync cut short", FuseOpcode.Fsync, new byte[8]),
            ("fallocate that overflows", FuseOpcode.Fallocate, Bytes(new FuseFallocateIn { Offset = long.MaxValue, Length = 2 })),
            ("lseek of an unknown kind", FuseOpcode.Lseek, Bytes(new FuseLseekIn { Whence = 2 })),
            ("lseek to a negative offset", FuseOpcode.Lseek, Bytes(new FuseLseekIn { Offset = 1UL << 63, Whence = 3 })),
            ("setattr cut short", FuseOpcode.SetAttr, new byte[87]),
        ];
        byte[] before = _mounted.Disk.Content.ToArray();
        foreach ((string what, FuseOpcode opcode, byte[] body) in cases)
        {
            Assert.That(Ask(opcode, body, out _), Is.EqualTo(-Errno.EINVAL), what);
        }

        Assert.That(_mounted.Disk.Content.SequenceEqual(before));
        A_good_request_is_answered();
    }

    [Test]
    public void A_length_that_is_not_the_requests_is_EINVAL()
    {
        Assert.That(Ask(FuseOpcode.GetAttr, new byte[16], out _, lieBy: 8), Is.EqualTo(-Errno.EINVAL));
        Assert.That(_channel.Statistics.Malformed, Is.EqualTo(1));
        A_good_request_is_answered();
    }

    [TestCase(1)]
    [TestCase(39)]
    public void A_request_without_a_whole_head_is_passed_over(int length)
    {
        Assert.That(_kernel.Send(new byte[length]), Is.EqualTo(length));
        Tool.WaitUntil(() => _channel.Statistics.Malformed == 1, "it is counted");
        A_good_request_is_answered();
    }

    [Test]
    public void An_unknown_operation_is_ENOSYS()
    {
        Assert.That(Ask((FuseOpcode)4711, new byte[3000], out _), Is.EqualTo(-Errno.ENOSYS));
        Assert.That(Ask(FuseOpcode.SetXattr, new byte[16_000], out _), Is.EqualTo(-Errno.ENOSYS));
        A_good_request_is_answered();
    }

    [Test]
    public void A_name_that_spills_into_the_slot_is_put_together_again()
    {
        byte[] name = [.. "disk"u8, 0];
        Assert.That(Ask(FuseOpcode.Lookup, name, out byte[] entry, node: 1), Is.Zero);
        Assert.That(entry, Has.Length.EqualTo(128));
        byte[] longName = [.. Enumerable.Repeat((byte)'x', 250), 0];
        Assert.That(Ask(FuseOpcode.Lookup, longName, out _, node: 1), Is.EqualTo(-Errno.ENOENT));
        Assert.That(Ask(FuseOpcode.Lookup, longName[..250], out _, node: 1), Is.EqualTo(-Errno.EINVAL), "no zero at its end");
    }

    [Test]
    public void An_interrupt_of_an_unknown_request_is_EAGAIN()
    {
        foreach (ulong unknown in new ulong[] { 0, 4711 })
        {
            byte[] body = Bytes(new FuseInterruptIn { Unique = unknown });
            Assert.That(Ask(FuseOpcode.Interrupt, body, out _, node: 0), Is.EqualTo(-Errno.EAGAIN));
        }
    }

    /// <summary>Sends one request and waits for its reply.</summary>
    private int Ask(FuseOpcode opcode, byte[] body, out byte[] answer, ulong node = Disk, int lieBy = 0)
    {
        _unique += 2;
        FuseInHeader header = new()
        {
            Length = (uint)(40 + body.Length + lieBy), Opcode = opcode, Unique = _unique, NodeId = node,
        };
        byte[] request = [.. Bytes(header), .. body];
        Assert.That(_kernel.Send(request), Is.EqualTo(request.Length));
        Assert.That(_kernel.Descriptor.Wait(PollEvents.In, (int)Tool.Limit.TotalMilliseconds), "a reply comes");
        byte[] reply = new byte[1 << 20];
        int length = _kernel.Receive(reply, null, out _);
        FuseOutHeader head = MemoryMarshal.Read<FuseOutHeader>(reply);
        Assert.That(head.Unique, Is.EqualTo(_unique));
        Assert.That(head.Length, Is.EqualTo((uint)length));
        answer = reply[16..length];
        return head.Error;
    }

    private static byte[] Bytes<T>(T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray();
}
