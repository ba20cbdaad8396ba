using Backend.Device;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

public class VfioUserRegionTests : VfioUserFixture
{
    [Test]
    public void A_read_answers_with_the_data_behind_the_request()
    {
        Answer answer = ConnectAndNegotiate().Read(7, 2, 2);
        Assert.That(answer.Header.Size, Is.EqualTo(32 + 2));
        VfioUserRegionAccess access = answer.As<VfioUserRegionAccess>();
        Assert.That((access.Offset, access.Region, access.Count), Is.EqualTo((2UL, 7u, 2u)));
        Assert.That(answer.Payload[16..], Is.EqualTo(new byte[] { 0x42, 0x10 }));
    }

    [Test]
    public void A_write_that_wants_an_answer_gets_one_without_the_data()
    {
        TestClient client = ConnectAndNegotiate();
        Answer answer = client.Write(7, 4, 6, 4);
        Assert.That(answer.Header.Size, Is.EqualTo(32));
        Assert.That(answer.As<VfioUserRegionAccess>().Count, Is.EqualTo(2));
        Assert.That(client.Read(7, 4, 2).Payload[16..], Is.EqualTo(new byte[] { 6, 4 }), "COMMAND is stored");
    }

    [Test]
    public void Posted_writes_are_done_and_not_answered()
    {
        TestClient client = ConnectAndNegotiate();
        client.PostWrite(Modern, 22, 1, 0);
        client.PostWrite(Modern, 22, 9);
        client.PostWrite(Modern, 0x5000, 1, 0);
        Answer answer = client.Read(Modern, 22, 2);
        Assert.That(answer.Payload[16..], Is.EqualTo(new byte[] { 1, 0 }));
    }

    [Test]
    public void Bad_accesses_are_refused()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Read(9, 0, 4).Error, Is.EqualTo(Errno.EINVAL), "no such region");
        Assert.That(client.Read(uint.MaxValue, 0, 4).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Read(0, 0, 4).Error, Is.EqualTo(Errno.EINVAL), "a BAR that is not there");
        Assert.That(client.Read(5, 0, 4).Error, Is.EqualTo(Errno.EINVAL), "the upper half of a BAR");
        Assert.That(client.Read(6, 0, 4).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Read(8, 0, 4).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Read(7, 253, 4).Error, Is.EqualTo(Errno.EINVAL), "out of bounds");
        Assert.That(client.Read(7, ulong.MaxValue, 2).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Read(7, ulong.MaxValue - 1, 4).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Read(7, 0, uint.MaxValue).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Read(7, 0, (1 << 20) + 1).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Read(Modern, 0, 3).Error, Is.EqualTo(Errno.EINVAL), "width");
        Assert.That(client.Write(7, 254, 1, 2, 3, 4).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Write(Modern, 0, 1).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Write(99, 0, 1).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void The_payload_must_be_as_long_as_the_count_says()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(
            client.Ask(VfioUserCommand.RegionWrite, TestClient.WritePayload(7, 4, [6, 4], count: 4)).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(
            client.Ask(VfioUserCommand.RegionWrite, TestClient.WritePayload(7, 4, [6, 4], count: 1)).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(
            client.Ask(VfioUserCommand.RegionRead, TestClient.WritePayload(7, 4, [6, 4])).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void A_count_of_zero_succeeds()
    {
        TestClient client = ConnectAndNegotiate();
        Answer read = client.Read(7, 0, 0);
        Assert.That((read.Error, read.Payload.Length), Is.EqualTo((0, 16)));
        Answer write = client.Write(Modern, 0x10);
        Assert.That((write.Error, write.Payload.Length), Is.EqualTo((0, 16)));
        Assert.That(client.Read(0, 0, 0).Error, Is.Zero);
    }

    [Test]
    public void A_doorbell_message_rings_the_bound_notifier_and_only_without_one_the_device()
    {
        TestClient client = ConnectAndNegotiate();
        using EventNotifier notifier = new();
        Proxy.AssignIoEventFd(1, notifier, true);
        byte[] doorbell = TestClient.Message(
            1, (ushort)VfioUserCommand.RegionWrite, 0x10, TestClient.WritePayload(4, 0x3004, [1, 0]));
        Assert.That(doorbell, Has.Length.EqualTo(34));
        client.SendRaw(doorbell);
        TurnUntil(notifier.TestAndClear, "the doorbell rings");
        Assert.That(Device.Notified, Is.Empty);
        Proxy.AssignIoEventFd(1, notifier, false);
        client.SendRaw(doorbell);
        TurnUntil(() => Device.Notified.Count == 1, "the device is told");
        Assert.That(notifier.TestAndClear(), Is.False);
    }

    [Test]
    public void Doorbell_messages_allocate_nothing()
    {
        TestClient client = ConnectAndNegotiate();
        using EventNotifier notifier = new();
        Proxy.AssignIoEventFd(0, notifier, true);
        byte[] doorbells = [.. Enumerable.Repeat(
            TestClient.Message(1, (ushort)VfioUserCommand.RegionWrite, 0x10, TestClient.WritePayload(4, 0x3000, [0, 0])), 100)
            .SelectMany(m => m)];
        long Round()
        {
            long target = Proxy.DoorbellsByMessage + 100;
            long before = GC.GetAllocatedBytesForCurrentThread();
            client.Socket.Send(doorbells);
            while (Proxy.DoorbellsByMessage < target)
            {
                Context.Poll(blocking: false);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        for (int i = 0; i < 20; i++)
        {
            Round();
        }

        Assert.That(Round(), Is.Zero);
    }

    [Test]
    public void A_driver_can_bring_the_device_up_through_messages_alone()
    {
        TestClient client = ConnectAndNegotiate();
        client.PostWrite(Modern, 20, 0);
        client.PostWrite(Modern, 20, 1);
        client.PostWrite(Modern, 20, 3);
        client.PostWrite(Modern, 0, 1, 0, 0, 0);
        Assert.That(client.Read(Modern, 4, 4).Payload[16], Is.EqualTo(1), "VERSION_1 is offered");
        client.PostWrite(Modern, 8, 1, 0, 0, 0);
        client.PostWrite(Modern, 12, 1, 0, 0, 0);
        client.PostWrite(Modern, 20, 11);
        Assert.That(client.Read(Modern, 20, 1).Payload[16], Is.EqualTo(11));
        client.PostWrite(Modern, 20, 15);
        Assert.That(client.Read(Modern, 20, 1).Payload[16], Is.EqualTo(15));
        Assert.That(Device.StatusWrites.Last(), Is.EqualTo(((byte)15, 1UL << 32)));
    }
}
