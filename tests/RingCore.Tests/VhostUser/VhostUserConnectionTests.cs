using System.Runtime.InteropServices;
using NUnit.Framework;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VhostUser;

namespace RingCore.Tests.VhostUser;

/// <summary>What differs from vfio-user's framing, whose tests cover what both share.</summary>
public class VhostUserConnectionTests
{
    private UnixSocket _peer = null!;
    private VhostUserConnection _connection = null!;

    [SetUp]
    public void Connect()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        _peer = a;
        _connection = new VhostUserConnection(b);
    }

    [TearDown]
    public void Disconnect()
    {
        _connection.Dispose();
        _peer.Dispose();
    }

    [Test]
    public void A_message_arrives_whole_however_it_is_cut()
    {
        foreach (byte b in Message(VhostUserRequest.SetVringNum, 8, [1, 2, 3, 4, 5, 6, 7, 8]))
        {
            Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.WouldBlock));
            _peer.Send([b]);
        }

        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.Header.Request, Is.EqualTo(VhostUserRequest.SetVringNum));
        Assert.That(_connection.Header.NeedsReply, Is.True);
        Assert.That(_connection.Payload.ToArray(), Is.EqualTo(new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 }));
    }

    [Test]
    public void A_message_without_payload_is_its_header_alone()
    {
        _peer.Send(Message(VhostUserRequest.SetOwner, 0, []));
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.Payload.Length, Is.Zero);
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.WouldBlock));
    }

    [TestCase((uint)VhostUserConnection.MaxPayload + 1)]
    [TestCase(0x7FFFFFFFu)]
    [TestCase(uint.MaxValue - 11)]
    [TestCase(uint.MaxValue)]
    public void Impossible_sizes_are_told(uint size)
    {
        _peer.Send(Message(VhostUserRequest.GetFeatures, size, []));
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.BadSize));
        Assert.That(_connection.Header.Request, Is.EqualTo(VhostUserRequest.GetFeatures));
    }

    [Test]
    public void The_largest_message_passes()
    {
        byte[] payload = [.. Enumerable.Range(0, VhostUserConnection.MaxPayload).Select(i => (byte)i)];
        _peer.Send(Message(VhostUserRequest.SetConfig, (uint)payload.Length, payload));
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.Payload.SequenceEqual(payload), Is.True);
    }

    [TestCase(8, false)]
    [TestCase(9, true)]
    public void A_full_memory_table_of_descriptors_passes_and_one_more_is_told(int count, bool bad)
    {
        using EventFd fd = new();
        _peer.Send(Message(VhostUserRequest.SetMemTable, 0, []), [.. Enumerable.Repeat(fd.Descriptor, count)]);
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.HasBadDescriptors, Is.EqualTo(bad));
        Assert.That(_connection.DescriptorCount, Is.EqualTo(bad ? 0 : count));
    }

    [Test]
    public void A_sent_message_carries_version_flags_size_payload_and_descriptors()
    {
        using EventFd fd = new();
        using VhostUserConnection other = new(_peer);
        _connection.Begin(VhostUserRequest.GetInflightFd, VhostUserFlags.Reply, 24).Fill(0xAB);
        _connection.SendWithin(30_000, [fd.Descriptor]);
        Assert.That(other.Receive(30_000), Is.EqualTo(MessageReceive.Message));
        Assert.That(other.Header.IsVersion1, Is.True);
        Assert.That(other.Header.IsReply, Is.True);
        Assert.That(other.Header.NeedsReply, Is.False);
        Assert.That(other.Payload.ToArray(), Is.EqualTo(Enumerable.Repeat((byte)0xAB, 24).ToArray()));
        Assert.That(other.DescriptorCount, Is.EqualTo(1));
    }

    private static byte[] Message(VhostUserRequest request, uint size, byte[] payload)
    {
        byte[] message = new byte[VhostUserHeader.Length + payload.Length];
        VhostUserFlags flags = VhostUserFlags.Version1 | VhostUserFlags.NeedReply;
        MemoryMarshal.Write(message, new VhostUserHeader { Request = request, Flags = flags, Size = size });
        payload.CopyTo(message, VhostUserHeader.Length);
        return message;
    }
}
