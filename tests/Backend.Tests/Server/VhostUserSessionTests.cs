using System.Runtime.InteropServices;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Tests.Server;

/// <summary>Messages that are not about memory or rings: features, answers, configuration, status, sessions one after another.</summary>
public class VhostUserSessionTests : VhostUserFixture
{
    [Test]
    public void Features_are_the_devices_and_the_protocols_bit()
    {
        VirtioFeatures offered = (VirtioFeatures)Connect().AskU64(VhostUserRequest.GetFeatures);
        Assert.That(offered, Is.EqualTo((VirtioFeatures)Device.OfferedFeatures | VirtioFeatures.VhostUserProtocolFeatures));
        Assert.That(offered & VirtioFeatures.PackedRing, Is.EqualTo(VirtioFeatures.None));
        Assert.That(offered & VirtioFeatures.Version1, Is.Not.EqualTo(VirtioFeatures.None));
    }

    [Test]
    public void Feature_that_is_not_offered_is_refused_and_the_device_takes_none()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        ulong packed = (ulong)(VirtioFeatures.Version1 | VirtioFeatures.PackedRing);
        Assert.That(client.Result(VhostUserRequest.SetFeatures, packed), Is.EqualTo(Errno.EINVAL));
        client.Tell(VhostUserRequest.SetFeatures, (ulong)VirtioFeatures.Version1);
        Assert.That(Device.NegotiatedFeatures, Is.EqualTo(VirtioFeatures.Version1));
    }

    [Test]
    public void Features_cannot_change_while_a_ring_runs()
    {
        (VhostUserTestClient client, _) = Start();
        ulong others = (ulong)(VirtioFeatures.Version1 | VirtioFeatures.EventIndex | VirtioFeatures.VhostUserProtocolFeatures);
        Assert.That(client.Result(VhostUserRequest.SetFeatures, others), Is.EqualTo(Errno.EBUSY));
        Assert.That(client.Result(VhostUserRequest.SetFeatures, (ulong)(VirtioFeatures.Version1 | VirtioFeatures.VhostUserProtocolFeatures)), Is.Zero);
    }

    [Test]
    public void Protocol_feature_that_is_not_offered_is_refused()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        ulong offered = client.AskU64(VhostUserRequest.GetProtocolFeatures);
        Assert.That(offered & (ulong)VhostUserProtocolFeatures.BackendRequests, Is.Zero);
        Assert.That(
            client.Result(VhostUserRequest.SetProtocolFeatures, offered | (ulong)VhostUserProtocolFeatures.BackendRequests), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Queue_number_is_the_devices() => Assert.That(Connect().AskU64(VhostUserRequest.GetQueueNum), Is.EqualTo(Queues));

    [Test]
    public void Without_reply_ack_a_message_is_not_acknowledged()
    {
        VhostUserTestClient client = Connect();
        client.SendRaw(VhostUserTestClient.Message(VhostUserRequest.SetOwner, 9, []));
        Assert.That(client.AskU64(VhostUserRequest.GetQueueNum), Is.EqualTo(Queues), "the next answer is the next question's");
    }

    [Test]
    public void Without_reply_ack_a_refusal_closes_the_connection()
    {
        VhostUserTestClient client = Connect();
        client.Post(VhostUserRequest.SetVringNum, VhostUserTestClient.Bytes(new VhostUserVringState { Index = 99, Value = 16 }));
        Assert.That(client.IsClosedByServer(), Is.True);
        Assert.That(Server.Errors, Is.EqualTo(1));
    }

    [TestCase(0u, TestName = "No_version"), TestCase(2u, TestName = "Another_version"), TestCase(5u, TestName = "An_answer")]
    public void Message_with_impossible_flags_closes_the_connection(uint flags)
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        client.SendRaw(VhostUserTestClient.Message(VhostUserRequest.GetFeatures, flags, []));
        Assert.That(client.IsClosedByServer(), Is.True);
    }

    [Test]
    public void Message_that_is_too_large_closes_the_connection()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        client.SendRaw(VhostUserTestClient.Message(VhostUserRequest.SetOwner, 1, [], size: VhostUserConnection.MaxPayload + 1));
        Assert.That(client.IsClosedByServer(), Is.True);
    }

    [TestCase(VhostUserRequest.SetLogBase), TestCase(VhostUserRequest.SetBackendReqFd), TestCase((VhostUserRequest)999)]
    public void Request_that_is_not_offered_is_refused_and_the_session_goes_on(VhostUserRequest request)
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        Assert.That(client.Result(request, new byte[16]), Is.EqualTo(Errno.EOPNOTSUPP));
        Assert.That(client.AskU64(VhostUserRequest.GetQueueNum), Is.EqualTo(Queues));
    }

    [Test]
    public void Message_in_pieces_is_one_message()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        foreach (byte piece in VhostUserTestClient.Message(VhostUserRequest.SetStatus, 9, VhostUserTestClient.Bytes(3UL)))
        {
            client.SendRaw([piece]);
            Context.Poll(blocking: false);
        }

        Assert.That(client.Acknowledgement(VhostUserRequest.SetStatus), Is.Zero);
        Assert.That(client.AskU64(VhostUserRequest.GetStatus), Is.EqualTo(3));
    }

    [Test]
    public void Configuration_is_the_devices()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        byte[] answer = client.Ask(VhostUserRequest.GetConfig, ConfigMessage(0, 60));
        BlkConfig config = MemoryMarshal.Read<BlkConfig>(answer.AsSpan(12));
        Assert.That(config.Capacity, Is.EqualTo((1 << 20) / BlkConfig.SectorSize));
        Assert.That(config.QueueCount, Is.EqualTo(Queues));
        Assert.That(client.Ask(VhostUserRequest.GetConfig, ConfigMessage(8, 4))[12..], Is.EqualTo(answer[20..24]));
    }

    [TestCase(0u, 257u), TestCase(256u, 1u), TestCase(uint.MaxValue, 2u), TestCase(2u, uint.MaxValue)]
    public void Configuration_outside_is_answered_without_payload(uint offset, uint size)
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        byte[] question = VhostUserTestClient.Bytes(new VhostUserConfig { Offset = offset, Size = size });
        Assert.That(client.Ask(VhostUserRequest.GetConfig, question), Is.Empty);
    }

    [Test]
    public void Driver_may_write_the_write_cache_and_nothing_else()
    {
        VhostUserTestClient client = ConnectAndNegotiate(VirtioFeatures.Version1 | VirtioFeatures.BlkFlush | VirtioFeatures.BlkConfigWce);
        Assert.That(Device.IsWriteCacheOn, Is.True);
        Assert.That(client.Result(VhostUserRequest.SetConfig, ConfigMessage(BlkConfig.WritebackOffset, 1)), Is.Zero);
        Assert.That(Device.IsWriteCacheOn, Is.False);
        Assert.That(client.Result(VhostUserRequest.SetConfig, ConfigMessage(0, 8)), Is.EqualTo(Errno.EPERM));
        Assert.That(client.Result(VhostUserRequest.SetConfig, ConfigMessage(0, 60)[..40]), Is.EqualTo(Errno.EINVAL), "cut short");
    }

    [Test]
    public void Status_is_kept_and_zero_resets()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        client.Tell(VhostUserRequest.SetStatus, 0xF);
        Assert.That(client.AskU64(VhostUserRequest.GetStatus), Is.EqualTo(0xF));
        client.Tell(VhostUserRequest.SetStatus, 0);
        Assert.That(client.AskU64(VhostUserRequest.GetStatus), Is.Zero);
        guest.Write(0, 0, 1);
        TurnAWhile();
        Assert.That(Disk.Log, Is.Empty, "no ring runs after a reset");
        Assert.That(client.Result(VhostUserRequest.SetStatus, 0x100), Is.EqualTo(Errno.EINVAL));
    }

    [TestCase(VhostUserRequest.ResetDevice), TestCase(VhostUserRequest.ResetOwner)]
    public void Rings_stand_still_after_a_reset(VhostUserRequest request)
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        client.Tell(request);
        guest.Write(0, 0, 1);
        TurnAWhile();
        Assert.That(Disk.Log, Is.Empty);
    }

    [Test]
    public void Next_front_end_waits_for_the_first_and_finds_a_device_as_new()
    {
        (VhostUserTestClient first, VhostUserTestGuest guest) = Start();
        VhostUserTestClient second = Connect();
        second.Post(VhostUserRequest.SetProtocolFeatures, (ulong)VhostUserProtocolFeatures.ReplyAck);
        TurnAWhile();
        Assert.That(Server.Clients, Is.EqualTo(1));
        guest.Write(0, 0, 1);
        WaitUsed(guest, 1);
        first.Dispose();
        Assert.That(second.AskU64(VhostUserRequest.GetQueueNum), Is.EqualTo(Queues));
        Assert.That(Memory.Current.Count, Is.Zero);
        Assert.That(Device.Status, Is.Zero);
        Assert.That(Server.Clients, Is.EqualTo(2));
    }

    [Test]
    public void Front_end_that_leaves_with_requests_under_way_has_its_memory_until_they_end()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        Disk.Hold = true;
        guest.Write(0, 3, 7);
        TurnUntil(() => Disk.HeldCount == 1, "the write is under way");
        client.Dispose();
        Context.ScheduleOneShot(() =>
        {
            Assert.That(Memory.Current.Count, Is.EqualTo(1));
            Disk.Release();
        });
        TurnUntil(() => !Server.HasClient, "the session ends");
        Assert.That(Memory.Current.Count, Is.Zero);
        Assert.That(guest.StatusOf(0), Is.EqualTo(BlkStatus.Ok));
    }

    private static byte[] ConfigMessage(uint offset, uint size) =>
        [.. VhostUserTestClient.Bytes(new VhostUserConfig { Offset = offset, Size = size }), .. new byte[size]];
}
