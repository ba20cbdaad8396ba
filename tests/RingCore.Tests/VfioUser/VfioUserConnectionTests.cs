using System.Runtime.InteropServices;
using NUnit.Framework;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VfioUser;

namespace RingCore.Tests.VfioUser;

public class VfioUserConnectionTests
{
    private const int Patience = 30_000;
    private UnixSocket _peer = null!;
    private VfioUserConnection _connection = null!;

    [SetUp]
    public void Connect()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        _peer = a;
        _connection = new VfioUserConnection(b);
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
        byte[] message = Message(7, VfioUserCommand.RegionWrite, [1, 2, 3, 4, 5]);
        foreach (byte b in message)
        {
            Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.WouldBlock));
            _peer.Send([b]);
        }

        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.Header.Id, Is.EqualTo(7));
        Assert.That(_connection.Header.Command, Is.EqualTo(VfioUserCommand.RegionWrite));
        Assert.That(_connection.Payload.ToArray(), Is.EqualTo(new byte[] { 1, 2, 3, 4, 5 }));
    }

    [Test]
    public void Pipelined_messages_come_one_by_one_from_one_system_call()
    {
        byte[] many = [.. Enumerable.Range(0, 100).SelectMany(i => Message((ushort)i, VfioUserCommand.Reset, [(byte)i]))];
        _peer.Send(many);
        Assert.That(_connection.Fill(), Is.EqualTo(MessageReceive.Progress));
        for (int i = 0; i < 100; i++)
        {
            Assert.That(_connection.TryTake(), Is.EqualTo(MessageReceive.Message));
            Assert.That(_connection.Header.Id, Is.EqualTo(i));
            Assert.That(_connection.Payload.ToArray(), Is.EqualTo(new[] { (byte)i }));
        }

        Assert.That(_connection.TryTake(), Is.EqualTo(MessageReceive.WouldBlock));
    }

    [Test]
    public void Descriptors_belong_to_the_message_they_came_with()
    {
        using EventFd one = new();
        using EventFd two = new();
        _peer.Send(Message(1, VfioUserCommand.GetInfo, [1]));
        _peer.Send(Message(2, VfioUserCommand.DmaMap, [2]), [one.Descriptor, two.Descriptor]);
        _peer.Send(Message(3, VfioUserCommand.GetInfo, [3]));
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.DescriptorCount, Is.Zero);
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.DescriptorCount, Is.EqualTo(2));
        using EventFd taken = new(_connection.TakeDescriptor(1));
        taken.Signal();
        Assert.That(two.TestAndClear(), Is.True);
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.Header.Id, Is.EqualTo(3));
        Assert.That(_connection.DescriptorCount, Is.Zero);
        taken.Signal();
        Assert.That(two.TestAndClear(), Is.True, "a taken descriptor stays open");
    }

    [Test]
    public void Descriptors_that_nobody_takes_are_closed_with_the_next_message()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket witness = b;
        _peer.Send(Message(1, VfioUserCommand.GetInfo, [1]), [a.Descriptor]);
        a.Dispose();
        _connection.Receive();
        Assert.That(witness.Receive(new byte[1], null, out _), Is.EqualTo(-Errno.EAGAIN));
        _connection.Receive();
        Assert.That(witness.Receive(new byte[1], null, out _), Is.Zero);
    }

    [Test]
    public void Too_many_descriptors_are_closed_and_told()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket witness = b;
        _peer.Send(Message(1, VfioUserCommand.SetIrqs, [1]), [.. Enumerable.Repeat(a.Descriptor, VfioUserConnection.MaxMessageDescriptors + 1)]);
        a.Dispose();
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.HasBadDescriptors, Is.True);
        Assert.That(_connection.DescriptorCount, Is.Zero);
        Assert.That(witness.Receive(new byte[1], null, out _), Is.Zero);
        _peer.Send(Message(2, VfioUserCommand.SetIrqs, [1]));
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.HasBadDescriptors, Is.False);
    }

    [Test]
    public void A_message_that_never_ends_cannot_hoard_descriptors()
    {
        using EventFd fd = new();
        byte[] message = Message(1, VfioUserCommand.SetIrqs, new byte[64]);
        FileDescriptor[] some = [.. Enumerable.Repeat(fd.Descriptor, 60)];
        int before = OpenDescriptors();
        for (int i = 0; i < 20; i++)
        {
            _peer.Send(message.AsSpan(i, 1), some);
            Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.WouldBlock));
        }

        Assert.That(OpenDescriptors() - before, Is.LessThanOrEqualTo(UnixSocket.MaxDescriptors + 16));
        _peer.Send(message.AsSpan(20));
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.HasBadDescriptors, Is.True);
        Assert.That(OpenDescriptors() - before, Is.LessThanOrEqualTo(16));
    }

    [TestCase(0u)]
    [TestCase(15u)]
    [TestCase((uint)VfioUserConnection.DefaultMaxMessageSize + 1)]
    [TestCase(uint.MaxValue)]
    public void Impossible_sizes_are_told(uint size)
    {
        byte[] message = Message(9, VfioUserCommand.GetInfo, []);
        MemoryMarshal.Write(message.AsSpan(4), size);
        _peer.Send(message);
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.BadSize));
        Assert.That(_connection.Header.Id, Is.EqualTo(9));
    }

    [Test]
    public void The_largest_message_passes()
    {
        byte[] payload = new byte[VfioUserConnection.DefaultMaxMessageSize - VfioUserHeader.Length];
        new Random(1).NextBytes(payload);
        byte[] message = Message(1, VfioUserCommand.RegionWrite, payload);
        int sent = 0;
        MessageReceive result = MessageReceive.WouldBlock;
        while (result == MessageReceive.WouldBlock)
        {
            if (sent < message.Length)
            {
                sent += Math.Max(0, _peer.Send(message.AsSpan(sent)));
            }

            result = _connection.Receive();
        }

        Assert.That(result, Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.Payload.SequenceEqual(payload), Is.True);
    }

    [Test]
    public void A_closed_peer_is_told_after_its_last_message()
    {
        _peer.Send(Message(1, VfioUserCommand.Reset, []));
        _peer.Dispose();
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Message));
        Assert.That(_connection.Receive(), Is.EqualTo(MessageReceive.Closed));
    }

    [Test]
    public void A_sent_message_carries_its_size_payload_and_descriptors()
    {
        using EventFd fd = new();
        using VfioUserConnection other = new(_peer);
        Span<byte> payload = _connection.Begin(new VfioUserHeader { Id = 3, Command = VfioUserCommand.DmaMap }, 4);
        payload.Fill(0xAB);
        Assert.That(_connection.Send([fd.Descriptor]), Is.True);
        Assert.That(other.Receive(Patience), Is.EqualTo(MessageReceive.Message));
        Assert.That(other.Header.Size, Is.EqualTo(20));
        Assert.That(other.Payload.ToArray(), Is.EqualTo(new byte[] { 0xAB, 0xAB, 0xAB, 0xAB }));
        Assert.That(other.DescriptorCount, Is.EqualTo(1));
    }

    [Test]
    public void A_full_socket_keeps_the_rest_of_a_message_and_its_descriptors_for_later()
    {
        using EventFd fd = new();
        using VfioUserConnection other = new(_peer);
        int sent = 0;
        bool whole = true;
        while (whole)
        {
            // The caller's descriptor is closed before the message can go.
            using FileDescriptor mine = fd.Descriptor.Duplicate();
            _connection.Begin(new VfioUserHeader { Id = (ushort)sent, Command = VfioUserCommand.DmaMap }, 1000).Fill((byte)sent);
            whole = _connection.Send([mine]);
            sent++;
        }

        Assert.That(_connection.HasPendingOutput, Is.True);
        Assert.That(() => _connection.Begin(default, 0), Throws.InvalidOperationException);
        for (int i = 0; i < sent; i++)
        {
            Assert.That(other.Receive(Patience), Is.EqualTo(MessageReceive.Message));
            Assert.That(other.Header.Id, Is.EqualTo(i));
            Assert.That(other.DescriptorCount, Is.EqualTo(1));
            Assert.That(other.Payload.IndexOfAnyExcept((byte)i), Is.EqualTo(-1));
            _connection.Flush();
        }

        Assert.That(_connection.HasPendingOutput, Is.False);
    }

    [Test]
    public void Sending_to_a_closed_peer_is_an_error()
    {
        _peer.Dispose();
        _connection.Begin(new VfioUserHeader { Command = VfioUserCommand.Reset }, 0);
        Assert.That(
            () => _connection.SendWithin(Patience),
            Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EPIPE));
    }

    [Test]
    public void Peer_that_does_not_read_ends_the_connection()
    {
        _connection.Begin(new VfioUserHeader { Command = VfioUserCommand.RegionWrite }, 1 << 20).Clear();
        Assert.That(
            () => _connection.SendWithin(50),
            Throws.InstanceOf<ProtocolException>().With.Property("Errno").EqualTo(Errno.ETIMEDOUT));
        Assert.That(_connection.Socket.Descriptor.Wait(PollEvents.PeerEnd, 0), Is.True);
        _connection.Begin(new VfioUserHeader { Command = VfioUserCommand.Reset }, 0);
        Assert.That(
            () => _connection.SendWithin(Patience),
            Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EPIPE));
        using VfioUserConnection other = new(_peer);
        Assert.That(other.Receive(Patience), Is.EqualTo(MessageReceive.Closed));
    }

    private static byte[] Message(ushort id, VfioUserCommand command, byte[] payload)
    {
        byte[] message = new byte[VfioUserHeader.Length + payload.Length];
        MemoryMarshal.Write(message, new VfioUserHeader { Id = id, Command = command, Size = (uint)message.Length });
        payload.CopyTo(message, VfioUserHeader.Length);
        return message;
    }

    private static int OpenDescriptors() => Directory.GetFiles("/proc/self/fd").Length;
}
