using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Tests.Server;

/// <summary>What the rings are, when they run, and where they stop.</summary>
public class VhostUserRingTests : VhostUserFixture
{
    [Test]
    public void Requests_are_served_on_every_ring_and_called_back()
    {
        (_, VhostUserTestGuest guest) = Start();
        for (int queue = 0; queue < Queues; queue++)
        {
            guest.Calls[queue].TestAndClear(); // that of the start
            guest.Write(1, (ulong)queue, (byte)(0x11 * (queue + 1)), queue);
            Assert.That(WaitUsed(guest, 1, queue), Is.EqualTo((int[])[1]));
            Assert.That(guest.StatusOf(1, queue), Is.EqualTo(BlkStatus.Ok));
            TurnUntil(() => guest.Calls[queue].TestAndClear(), "the call");
            Assert.That(Disk.Bytes[queue * 512], Is.EqualTo(0x11 * (queue + 1)));
        }
    }

    [Test]
    public void Ring_waits_for_its_enable_and_stands_still_when_it_is_disabled()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        VhostUserTestGuest guest = CreateGuest();
        guest.Share(client);
        guest.SetUp(client, 0);
        client.Tell(VhostUserRequest.SetVringKick, 0, guest.Kicks[0].Descriptor);
        guest.Write(0, 0, 1);
        TurnAWhile();
        Assert.That(Disk.Log, Is.Empty, "started, not enabled");
        client.Tell(VhostUserRequest.SetVringEnable, 0, 1u);
        WaitUsed(guest, 1);
        client.Tell(VhostUserRequest.SetVringEnable, 0, 0u);
        guest.Write(1, 1, 1);
        TurnAWhile();
        Assert.That(Disk.Log, Has.Count.EqualTo(1), "disabled");
        client.Tell(VhostUserRequest.SetVringEnable, 0, 1u);
        WaitUsed(guest, 1);
        Assert.That(client.Result(VhostUserRequest.SetVringEnable, 0, 2u), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Without_the_protocols_bit_a_kick_alone_starts_a_ring()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        client.Tell(VhostUserRequest.SetFeatures, (ulong)VirtioFeatures.Version1);
        VhostUserTestGuest guest = CreateGuest();
        guest.Share(client);
        guest.SetUp(client, 0);
        client.Tell(VhostUserRequest.SetVringKick, 0, guest.Kicks[0].Descriptor);
        guest.Write(0, 0, 1);
        WaitUsed(guest, 1);
    }

    [Test]
    public void Ring_without_a_kick_is_polled()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        VhostUserTestGuest guest = CreateGuest();
        guest.Share(client);
        guest.SetUp(client, 0);
        client.Tell(VhostUserRequest.SetVringKick, VhostUserVringFd.NoDescriptor);
        client.Tell(VhostUserRequest.SetVringEnable, 0, 1u);
        TurnAWhile();
        guest.AddWrite(0, 0, 1);
        WaitUsed(guest, 1);
        guest.AddWrite(1, 1, 1);
        WaitUsed(guest, 1);
    }

    [Test]
    public void Ring_without_a_call_is_served_and_the_call_comes_later()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        client.Tell(VhostUserRequest.SetVringCall, VhostUserVringFd.NoDescriptor);
        guest.Calls[0].TestAndClear();
        guest.Write(0, 0, 1);
        WaitUsed(guest, 1);
        TurnAWhile();
        Assert.That(guest.Calls[0].TestAndClear(), Is.False);
        client.Tell(VhostUserRequest.SetVringCall, 0, guest.Calls[0].Descriptor);
        TurnUntil(() => guest.Calls[0].TestAndClear(), "what came before is not forgotten");
    }

    [Test]
    public void Base_tells_where_a_ring_stopped_and_the_next_start_goes_on_there()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        for (int i = 0; i < 3; i++)
        {
            guest.Write(i, (ulong)i, 1);
            WaitUsed(guest, 1);
        }

        Assert.That(client.GetVringBase(0), Is.EqualTo(3));
        guest.Write(3, 3, 1);
        TurnAWhile();
        Assert.That(Disk.Log, Has.Count.EqualTo(3), "stopped");
        guest.SetUp(client, 0, nextAvail: 3);
        guest.Start(client, 0);
        Assert.That(WaitUsed(guest, 1), Is.EqualTo((int[])[3]));
        Assert.That(client.GetVringBase(0), Is.EqualTo(4));
    }

    [Test]
    public void Base_is_told_once_what_is_under_way_has_ended()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        Disk.Hold = true;
        guest.Write(0, 3, 7);
        TurnUntil(() => Disk.HeldCount == 1, "the write is under way");
        Context.ScheduleOneShot(Disk.Release);
        Assert.That(client.GetVringBase(0), Is.EqualTo(1));
        Assert.That(guest.Ring(0).TryTakeUsed(out _, out _), Is.True, "answered before the base was");
    }

    [Test]
    public void Running_ring_takes_no_other_size_and_base()
    {
        (VhostUserTestClient client, _) = Start();
        Assert.That(client.Result(VhostUserRequest.SetVringNum, 0, 32), Is.EqualTo(Errno.EBUSY));
        Assert.That(client.Result(VhostUserRequest.SetVringBase, 0, 0), Is.EqualTo(Errno.EBUSY));
    }

    [Test]
    public void Running_ring_takes_another_kick_and_its_own_address_again()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        guest.Write(0, 0, 1);
        WaitUsed(guest, 1);
        EventFd other = Own(new EventFd());
        client.Tell(VhostUserRequest.SetVringKick, 0, other.Descriptor);
        Assert.That(client.Result(VhostUserRequest.SetVringAddr, VhostUserTestClient.Bytes(VhostUserTestGuest.Address(0))), Is.Zero);
        guest.AddWrite(1, 1, 1);
        other.Signal();
        Assert.That(WaitUsed(guest, 1), Is.EqualTo((int[])[1]));
    }

    [TestCase(0u), TestCase(3u), TestCase(17u), TestCase(2048u), TestCase(65536u)]
    public void Impossible_ring_size_is_refused(uint size) =>
        Assert.That(ConnectAndNegotiate().Result(VhostUserRequest.SetVringNum, 0, size), Is.EqualTo(Errno.EINVAL));

    [TestCase(65536u), TestCase(uint.MaxValue)]
    public void Impossible_base_is_refused(uint value) =>
        Assert.That(ConnectAndNegotiate().Result(VhostUserRequest.SetVringBase, 0, value), Is.EqualTo(Errno.EINVAL));

    [TestCase(VhostUserRequest.SetVringNum), TestCase(VhostUserRequest.SetVringBase), TestCase(VhostUserRequest.SetVringEnable)]
    public void Ring_that_is_not_there_is_refused(VhostUserRequest request)
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        Assert.That(client.Result(request, Queues, 1), Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Result(request, uint.MaxValue, 1), Is.EqualTo(Errno.EINVAL));
    }

    [TestCase(VhostUserRequest.SetVringKick), TestCase(VhostUserRequest.SetVringCall), TestCase(VhostUserRequest.SetVringErr)]
    public void Descriptor_that_does_not_fit_is_refused(VhostUserRequest request)
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        VhostUserTestGuest guest = CreateGuest();
        FileDescriptor good = guest.Kicks[0].Descriptor;
        Assert.That(client.Result(request, 0, guest.Memory), Is.EqualTo(Errno.EINVAL), "no eventfd");
        Assert.That(client.Result(request, 0), Is.EqualTo(Errno.EINVAL), "none, though one is due");
        Assert.That(client.Result(request, 0, good, good), Is.EqualTo(Errno.EINVAL), "two");
        Assert.That(client.Result(request, VhostUserVringFd.NoDescriptor, good), Is.EqualTo(Errno.EINVAL), "one, though none is due");
        Assert.That(client.Result(request, Queues, good), Is.EqualTo(Errno.EINVAL), "no such ring");
    }

    [TestCase(0UL, 0UL), TestCase(VhostUserTestGuest.GuestAddress, 0UL), TestCase(VhostUserTestGuest.UserAddress, VhostUserTestGuest.Size - 64)]
    [TestCase(ulong.MaxValue - 15, 0UL), TestCase(VhostUserTestGuest.UserAddress - 16, 0UL)]
    public void Ring_outside_the_memory_is_refused_and_can_be_mended(ulong start, ulong offset)
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        VhostUserTestGuest guest = CreateGuest();
        guest.Share(client);
        guest.SetUp(client, 0);
        VhostUserVringAddress address = VhostUserTestGuest.Address(0);
        address.Descriptors = start + offset;
        Assert.That(client.Result(VhostUserRequest.SetVringAddr, VhostUserTestClient.Bytes(address)), Is.Zero, "nothing runs yet");
        client.Tell(VhostUserRequest.SetVringKick, 0, guest.Kicks[0].Descriptor);
        Assert.That(client.Result(VhostUserRequest.SetVringEnable, 0, 1u), Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Result(VhostUserRequest.SetVringAddr, VhostUserTestClient.Bytes(VhostUserTestGuest.Address(0))), Is.Zero);
        guest.Write(0, 0, 1);
        WaitUsed(guest, 1);
    }

    [Test]
    public void Ring_that_is_not_aligned_is_refused_and_told_as_an_error()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        VhostUserTestGuest guest = CreateGuest();
        guest.Share(client);
        guest.SetUp(client, 0);
        VhostUserVringAddress address = VhostUserTestGuest.Address(0);
        address.Descriptors++;
        Assert.That(client.Result(VhostUserRequest.SetVringAddr, VhostUserTestClient.Bytes(address)), Is.Zero);
        client.Tell(VhostUserRequest.SetVringKick, 0, guest.Kicks[0].Descriptor);
        Assert.That(client.Result(VhostUserRequest.SetVringEnable, 0, 1u), Is.EqualTo(Errno.EINVAL));
        Assert.That(guest.Errors[0].TestAndClear(), Is.True);
        Assert.That(client.AskU64(VhostUserRequest.GetStatus) & DeviceStatus.NeedsReset, Is.Not.Zero);
    }

    [Test]
    public void Logging_of_a_ring_is_refused()
    {
        VhostUserVringAddress address = VhostUserTestGuest.Address(0);
        address.Flags = 1;
        Assert.That(ConnectAndNegotiate().Result(VhostUserRequest.SetVringAddr, VhostUserTestClient.Bytes(address)), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Ring_that_breaks_a_rule_stops_alone_and_is_told_as_an_error()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        guest.Raw(0).AvailIndex = 5000;
        guest.Kicks[0].Signal();
        TurnUntil(() => guest.Errors[0].TestAndClear(), "the error");
        Assert.That(client.AskU64(VhostUserRequest.GetStatus) & DeviceStatus.NeedsReset, Is.Not.Zero);
        guest.Write(0, 0, 1, queue: 1);
        WaitUsed(guest, 1, queue: 1);
        Assert.That(client.GetVringBase(0), Is.Zero);
    }
}
