using Backend.Device;
using NUnit.Framework;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

public class VfioUserFramingTests : VfioUserFixture
{
    [TestCase(0u)]
    [TestCase(15u)]
    [TestCase(0x0010_0021u)]
    [TestCase(uint.MaxValue)]
    public void A_size_that_cannot_be_is_answered_and_ends_the_connection(uint size)
    {
        TestClient client = ConnectAndNegotiate();
        client.SendRaw(TestClient.Message(7, (ushort)VfioUserCommand.SetIrqs, 0, [], size));
        Answer answer = client.Answer();
        Assert.That(answer.Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(answer.Header.Id, Is.EqualTo(7));
        Assert.That(client.IsClosedByServer(), Is.True);
        AssertNextClientIsServed();
    }

    [Test]
    public void A_reply_as_command_is_refused()
    {
        TestClient client = ConnectAndNegotiate();
        foreach (uint type in new uint[] { 1, 2, 15 })
        {
            client.SendRaw(TestClient.Message(7, (ushort)VfioUserCommand.GetInfo, type, new byte[16]));
            Assert.That(client.Answer().Error, Is.EqualTo(Errno.EINVAL));
        }

        AssertStillServed(client);
    }

    [Test]
    public void Unknown_commands_are_refused([Values(0, 11, 12, 14, 19, 999, 0xFFFF)] int command)
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Ask((VfioUserCommand)command, new byte[32]).Error, Is.EqualTo(Errno.EINVAL));
        AssertStillServed(client);
    }

    [Test]
    public void Commands_that_are_known_but_not_offered_are_not_supported([Values(15, 16, 17, 18)] int command)
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Ask((VfioUserCommand)command, new byte[32]).Error, Is.EqualTo(Errno.EOPNOTSUPP));
    }

    [Test]
    public void A_command_without_payload_is_refused_unless_it_is_a_reset([Range(1, 10)] int command)
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Ask((VfioUserCommand)command, []).Error, Is.EqualTo(Errno.EINVAL));
        Answer reset = client.Ask(VfioUserCommand.Reset, []);
        Assert.That(reset.Error, Is.Zero);
        Assert.That(reset.Payload, Is.Empty);
    }

    [Test]
    public void Short_payloads_are_refused([Range(1, 10)] int command, [Values(1, 3, 8, 15)] int length)
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Ask((VfioUserCommand)command, new byte[length]).Error, Is.EqualTo(Errno.EINVAL));
        AssertStillServed(client);
    }

    [Test]
    public void Excess_descriptors_are_closed_and_the_message_refused()
    {
        TestClient client = ConnectAndNegotiate();
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket witness = b;
        client.SetIrqs(TriggerNone, VfioPciIrq.Msix, 0, 0);
        FileDescriptor[] many = [.. Enumerable.Repeat(a.Descriptor, 17)];
        Answer answer = client.SetIrqs(TriggerFds, VfioPciIrq.Msix, 0, 3, many);
        a.Dispose();
        Assert.That(answer.Error, Is.EqualTo(Errno.EINVAL));
        AssertStillServed(client);
        Assert.That(witness.Receive(new byte[1], null, out _), Is.Zero);
    }

    [Test]
    public void Descriptors_of_a_message_that_wants_none_are_closed()
    {
        TestClient client = ConnectAndNegotiate();
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket witness = b;
        Answer answer = client.Ask(VfioUserCommand.GetInfo, Bytes(new VfioDeviceInfo { ArgSize = 16 }), a.Descriptor);
        a.Dispose();
        Assert.That(answer.Error, Is.Zero);
        AssertStillServed(client);
        Assert.That(witness.Receive(new byte[1], null, out _), Is.Zero);
    }

    [Test]
    public void A_posted_message_is_never_answered_not_even_with_an_error()
    {
        TestClient client = ConnectAndNegotiate();
        client.Post((VfioUserCommand)999, new byte[4]);
        client.Post(VfioUserCommand.GetInfo, Bytes(new VfioDeviceInfo { ArgSize = 16 }));
        client.Post(VfioUserCommand.RegionRead, Bytes(new VfioUserRegionAccess { Region = 7, Count = 4 }));
        client.Post(VfioUserCommand.GetRegionIoFds, Bytes(new VfioUserRegionIoFds { ArgSize = 4096, Index = 4 }));
        client.PostWrite(Modern, 0, 1, 2, 3);
        client.PostWrite(99, 0, 1);
        Assert.That(client.HearsNothing(), Is.True);
        AssertStillServed(client);
    }

    [Test]
    public void Pipelined_requests_are_answered_in_their_order()
    {
        TestClient client = ConnectAndNegotiate();
        List<byte> bytes = [];
        for (ushort i = 0; i < 500; i++)
        {
            bytes.AddRange(i % 3 == 0
                ? TestClient.Message(i, (ushort)VfioUserCommand.GetInfo, 0, Bytes(new VfioDeviceInfo { ArgSize = 16 }))
                : TestClient.Message(i, 999, 0, [1]));
        }

        client.SendRaw(bytes.ToArray());
        for (ushort i = 0; i < 500; i++)
        {
            Answer answer = client.Answer();
            Assert.That(answer.Header.Id, Is.EqualTo(i));
            Assert.That(answer.Error, Is.EqualTo(i % 3 == 0 ? 0 : Errno.EINVAL));
        }
    }

    [Test]
    public void A_client_that_does_not_read_is_not_listened_to_and_loses_nothing()
    {
        TestClient client = ConnectAndNegotiate();
        byte[] request = TestClient.Message(
            0, (ushort)VfioUserCommand.RegionRead, 0, Bytes(new VfioUserRegionAccess { Region = 7, Count = 256 }));
        int sent = 0;
        long idle = 0;
        while (idle < 50)
        {
            request[0] = (byte)sent;
            int n = client.Socket.Send(request);
            Assert.That(n, Is.EqualTo(request.Length).Or.EqualTo(-Errno.EAGAIN));
            sent += n > 0 ? 1 : 0;
            idle = n > 0 ? 0 : idle + 1;
            Context.Poll(blocking: false);
        }

        Assert.That(sent, Is.GreaterThan(100));
        for (int i = 0; i < sent; i++)
        {
            Assert.That(client.Answer().Header.Id, Is.EqualTo((byte)i));
        }

        AssertStillServed(client);
    }

    [Test]
    public void Messages_are_counted_by_command()
    {
        TestClient client = ConnectAndNegotiate();
        client.RegionInfo(0);
        client.RegionInfo(99);
        client.PostWrite(Modern, 0x3000, 0, 0);
        AssertStillServed(client);
        Assert.That(Server.Statistics.Clients, Is.EqualTo(1));
        Assert.That(Server.Statistics.Messages(VfioUserCommand.Version), Is.EqualTo(1));
        Assert.That(Server.Statistics.Messages(VfioUserCommand.GetRegionInfo), Is.EqualTo(2));
        Assert.That(Server.Statistics.Messages(VfioUserCommand.RegionWrite), Is.EqualTo(1));
        Assert.That(Server.Statistics.Errors, Is.EqualTo(1));
        Assert.That(Proxy.DoorbellsByMessage, Is.EqualTo(1));
    }

    [Test]
    public void An_unexpected_error_in_the_device_ends_the_connection_and_the_next_client_is_served()
    {
        TestClient client = ConnectAndNegotiate();
        Device.OnNotify = () => throw new InvalidOperationException("a bug, on purpose");
        client.PostWrite(Modern, 0x3000, 0, 0);
        Assert.That(client.IsClosedByServer(), Is.True);
        Device.OnNotify = null;
        Assert.That(Server.Statistics.Faults, Is.EqualTo(1));
        AssertNextClientIsServed();
    }

    private void AssertNextClientIsServed() => AssertStillServed(ConnectAndNegotiate());

    private static void AssertStillServed(TestClient client)
    {
        Answer answer = client.Ask(VfioUserCommand.GetInfo, Bytes(new VfioDeviceInfo { ArgSize = 16 }));
        Assert.That(answer.Error, Is.Zero);
        Assert.That(answer.As<VfioDeviceInfo>().RegionCount, Is.EqualTo(9));
    }
}
