using Backend.Device;
using RingCore.Hosting;
using RingCore.Memory;
using RingCore.Virtio;

namespace Backend.Tests.Device;

/// <summary>Start, stop, failure and fallback of the data plane.</summary>
[TestFixture]
public sealed class VirtioBlkDataPlaneTests
{
    [Test]
    public void IOThread_demands_guest_notifiers_and_ioeventfds()
    {
        Assert.That(
            () => new DeviceRig(transport: new TestTransport { HasGuestNotifiers = false }),
            Throws.TypeOf<UserErrorException>().With.Message.Contains("guest notifiers"));
        Assert.That(
            () => new DeviceRig(transport: new TestTransport { HasIoEventFds = false }),
            Throws.TypeOf<UserErrorException>().With.Message.Contains("ioeventfds"));
    }

    [Test]
    public void Without_an_IOThread_the_main_loop_serves()
    {
        using DeviceRig rig = new(ioThreads: 0);
        rig.Start();
        Assert.That(rig.Do(BlkRequestType.Out, 3, new byte[512]), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Guest_notifiers_come_first_then_host_notifiers_one_by_one()
    {
        using DeviceRig rig = new(queues: 3, ioThreads: 2);
        rig.Start();
        Assert.That(rig.Transport.Calls, Is.EqualTo(new[] { "guest +3", "host +0", "host +1", "host +2" }));
    }

    [Test]
    public void Start_is_idempotent()
    {
        using DeviceRig rig = new(queues: 2);
        rig.Start();
        int calls = rig.Transport.Calls.Count;
        rig.Device.DataPlane.Start();
        Assert.That(rig.Transport.Calls, Has.Count.EqualTo(calls));
        Assert.That(rig.Device.DataPlane.IsStarted, Is.True);
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(2)]
    public void Failure_at_a_queue_rolls_back_and_the_main_loop_serves_all(int failing)
    {
        using DeviceRig rig = new(queues: 3, ioThreads: 2);
        rig.Transport.FailAssignAt = failing;
        rig.Start();

        List<string> expected = ["guest +3"];
        expected.AddRange(Enumerable.Range(0, failing + 1).Select(i => $"host +{i}"));
        expected.AddRange(Enumerable.Range(0, failing).Reverse().Select(i => $"host -{i}"));
        expected.Add("guest -3");
        Assert.That(rig.Transport.Calls, Is.EqualTo(expected));
        Assert.That(rig.Device.DataPlane.IsDisabled, Is.True);
        Assert.That(rig.Transport.Doorbells, Is.Empty);
        for (int queue = 0; queue < 3; queue++)
        {
            Assert.That(rig.Do(BlkRequestType.Out, (ulong)queue, new byte[512], queue: queue), Is.EqualTo(BlkStatus.Ok));
        }
    }

    [Test]
    public void Failure_of_the_guest_notifiers_disables_the_data_plane()
    {
        using DeviceRig rig = new(queues: 2);
        rig.Transport.FailGuestNotifiers = true;
        rig.Start();
        Assert.That(rig.Device.DataPlane.IsDisabled, Is.True);
        Assert.That(rig.Do(BlkRequestType.Flush, 0, queue: 1), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void After_a_reset_a_disabled_data_plane_starts_again()
    {
        using DeviceRig rig = new(queues: 2);
        rig.Transport.FailAssignAt = 1;
        rig.Start();
        Assert.That(rig.Device.DataPlane.IsDisabled, Is.True);
        rig.Transport.FailAssignAt = -1;
        rig.Device.WriteStatus(0, 0);
        rig.Start();
        Assert.That(rig.Device.DataPlane.IsDisabled, Is.False);
        Assert.That(rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Requests_made_available_before_the_start_are_served()
    {
        using DeviceRig rig = new();
        int number = -1;
        rig.Start(beforeDriverOk: () =>
        {
            number = rig.Add(BlkRequestType.Out, 1, new byte[512]);
            rig.Driver().Publish();
        });
        rig.Wait(1);
        Assert.That(rig.StatusOf(number), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Stop_waits_for_requests_in_flight_and_completes_each_once()
    {
        using DeviceRig rig = new();
        rig.Start();
        rig.Disk.Hold = true;
        for (int i = 0; i < 5; i++)
        {
            rig.Add(BlkRequestType.Out, (ulong)(i * 8), new byte[512]);
        }

        rig.Kick();
        Assert.That(() => rig.Disk.HeldCount, Is.EqualTo(5).After(20_000, 1));
        using Timer release = new(_ => rig.Disk.Release(), null, 50, Timeout.Infinite);
        rig.Device.DataPlane.Stop();
        Assert.That(rig.Disk.HeldCount, Is.Zero, "stopped while requests were in flight");
        List<int> done = rig.Wait(5);
        Assert.That(done, Is.EquivalentTo(new[] { 0, 1, 2, 3, 4 }));
        Assert.That(rig.Driver().HasUsed, Is.False);
    }

    [Test]
    public void Stop_takes_everything_back_in_reverse_and_can_start_again()
    {
        using DeviceRig rig = new(queues: 3, ioThreads: 2);
        rig.Start();
        rig.Transport.Calls.Clear();
        rig.Device.DataPlane.Stop();
        rig.Device.DataPlane.Stop();
        Assert.That(rig.Transport.Calls, Is.EqualTo(new[] { "host -2", "host -1", "host -0", "guest -3" }));
        Assert.That(rig.Device.Queues.All(q => q.HostNotifier == null), Is.True);
        rig.Device.WriteStatus(0, 0);
        rig.Start();
        Assert.That(rig.Do(BlkRequestType.Flush, 0, queue: 2), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Notifications_are_batched_exactly_without_event_idx()
    {
        using DeviceRig rig = new();
        rig.Start(DeviceRig.AllFeatures & ~VirtioFeatures.EventIndex);
        Assert.That(rig.Device.DataPlane.BatchNotifications, Is.True);
        for (int i = 0; i < 8; i++)
        {
            rig.Add(BlkRequestType.Out, (ulong)(i * 16), new byte[512]);
        }

        rig.Kick();
        Assert.That(rig.Transport.WaitIrq(0), Is.True);
        rig.Wait(8);
        rig.Device.Synchronize();
        Assert.That(rig.Transport.PendingIrqs(0), Is.Zero, "one batch raises one interrupt");

        rig.Device.WriteStatus(0, 0);
        rig.Start();
        Assert.That(rig.Device.DataPlane.BatchNotifications, Is.False);
        Assert.That(rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.Ok));
    }

    [TestCase(1)]
    [TestCase(0)]
    public void Drained_change_waits_for_requests_in_flight_and_service_goes_on(int ioThreads)
    {
        using DeviceRig rig = new(ioThreads: ioThreads);
        rig.Start();
        HoldOne(rig, ioThreads);
        using Timer release = new(_ => rig.Disk.Release(), null, 50, Timeout.Infinite);
        int heldDuringChange = -1;
        rig.Device.WhileDrained(() =>
        {
            heldDuringChange = rig.Disk.HeldCount;
            Assert.That(rig.Driver().HasUsed, Is.True, "the request in flight was not waited for");
        });
        Assert.That(heldDuringChange, Is.Zero);
        rig.Wait(1);
        Assert.That(rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.Ok));
    }

    [TestCase(0)]
    [TestCase(1)]
    public void Drained_queue_has_told_its_driver_and_lets_go_of_guest_memory(int ioThreads)
    {
        using DeviceRig rig = new(ioThreads: ioThreads);
        rig.Start(DeviceRig.AllFeatures & ~VirtioFeatures.EventIndex);
        HoldOne(rig, ioThreads);
        using Timer release = new(_ => rig.Disk.Release(), null, 50, Timeout.Infinite);
        rig.Device.WhileDrained(() =>
        {
            Assert.That(rig.Transport.PendingIrqs(0), Is.EqualTo(1));
            Assert.That(rig.Device.Queues[0].Ring!.IsMapped, Is.False);
        });
        Assert.That(rig.Device.Queues[0].Ring!.IsMapped, Is.True);
        rig.Wait(1);
    }

    [Test]
    public void Block_layer_knows_the_memory_that_requests_use_and_each_change_of_it()
    {
        using DeviceRig rig = new();
        rig.Start();
        GuestMemoryMap first = rig.Transport.Memory.Current;
        Assert.That(rig.Disk.Memories, Is.EqualTo(new[] { first }));
        rig.Device.WhileDrained(() => rig.Transport.Memory.Add(DeviceRig.Iova - 4096, 4096, rig.MemoryDescriptor, 0, writable: true));
        Assert.That(rig.Transport.Memory.Current, Is.Not.SameAs(first));
        Assert.That(rig.Disk.Memories, Is.EqualTo(new[] { first, rig.Transport.Memory.Current }));
        using HeldDriver other = new(DeviceRig.DiskLength);
        rig.Device.ReplaceDriver(other);
        Assert.That(other.Memories, Is.EqualTo(new[] { rig.Transport.Memory.Current }));
    }

    [Test]
    public void Block_layer_may_keep_no_pages_that_the_driver_may_take_away()
    {
        using DeviceRig rig = new(transport: new TestTransport { MayKeepPages = false });
        rig.Start();
        Assert.That(rig.Disk.Memories, Is.EqualTo(new GuestMemoryMap?[] { null }));
    }

    [TestCase(VirtioFeatures.EventIndex)]
    [TestCase(VirtioFeatures.None)]
    public void Driver_is_asked_to_ring_when_busy_polling_has_ended_in_a_drain(VirtioFeatures eventIndex)
    {
        using DeviceRig rig = new(ioThreads: 0);
        rig.Start((DeviceRig.AllFeatures & ~VirtioFeatures.EventIndex) | eventIndex);
        DeviceQueue ring = rig.Device.Queues[0].Ring!;
        Assert.That(rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.Ok));
        ring.DisableNotifications(); // as polling does when it begins
        rig.Device.WhileDrained(() => ring.EnableNotifications());
        rig.Add(BlkRequestType.Flush, 0);
        rig.Driver().Publish();
        Assert.That(rig.Driver().ShouldKick(), Is.True);
    }

    [Test]
    public void Broken_queue_gives_busy_polling_nothing_to_do()
    {
        using DeviceRig rig = new();
        rig.Start();
        int number = rig.Add(BlkRequestType.In, 0, readLength: 512);
        rig.Driver().Descriptors[(number * 3) + 1].Address = 0;
        rig.Add(BlkRequestType.Flush, 0);
        rig.Kick();
        Assert.That(() => rig.Device.Status & DeviceStatus.NeedsReset, Is.Not.Zero.After(20_000, 1));
        rig.Device.Synchronize();
        Assert.That(rig.Device.Queues[0].Ring!.IsEmpty, Is.False);
        Assert.That(rig.Device.DataPlane.Running[0].HasWork, Is.False);
    }

    [Test]
    public void What_comes_in_while_the_main_loop_waits_for_requests_is_done_afterwards()
    {
        using DeviceRig rig = new(ioThreads: 0);
        rig.Start();
        HoldOne(rig, ioThreads: 0);
        List<string> order = [];
        HeldDriver other = new(DeviceRig.DiskLength);
        rig.Main.ScheduleOneShot(() =>
        {
            order.Add("came");
            Assert.That(() => rig.Device.ReplaceDriver(other), Throws.InvalidOperationException);
            rig.Device.WhenSettled(() =>
            {
                rig.Device.ReplaceDriver(other);
                order.Add("replaced");
            });
            rig.Disk.Release();
        });
        rig.Device.WhileDrained(() => order.Add("drained"));
        Assert.That(order, Is.EqualTo(new[] { "came", "drained", "replaced" }));
        rig.Wait(1);
        Assert.That(rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.Ok));
        Assert.That(other.Log, Has.Count.EqualTo(1));
    }

    [Test]
    public void Queue_that_cannot_be_opened_is_left_out_until_a_reset()
    {
        using DeviceRig rig = new(queues: 3);
        rig.Disk.FailOpenAt = 1;
        rig.Start();
        Assert.That(rig.Device.Status & DeviceStatus.NeedsReset, Is.Not.Zero);
        Assert.That(rig.Transport.Doorbells.Keys, Is.EquivalentTo(new[] { 0, 2 }));
        Assert.That(rig.Do(BlkRequestType.Flush, 0, queue: 2), Is.EqualTo(BlkStatus.Ok));
        rig.Device.WriteStatus(0, 0);
        Assert.That(rig.Transport.Calls[^1], Is.EqualTo("guest -3"));
        rig.Disk.FailOpenAt = -1;
        rig.Start();
        Assert.That(rig.Do(BlkRequestType.Flush, 0, queue: 1), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Ring_whose_memory_is_unmapped_rests_until_it_is_mapped_again()
    {
        using DeviceRig rig = new();
        rig.Start();
        GuestMemory memory = rig.Transport.Memory;
        ulong size = 4 << 20;
        rig.Device.WhileDrained(() => Assert.That(memory.Remove(DeviceRig.Iova, size), Is.True));
        int number = rig.Add(BlkRequestType.Out, 0, new byte[512]);
        rig.Driver().Publish();
        rig.Ring();
        rig.Device.Synchronize();
        Assert.That(rig.Driver().HasUsed, Is.False);
        rig.Device.WhileDrained(() => memory.Add(DeviceRig.Iova, size, rig.MemoryDescriptor, 0, writable: true));
        rig.Wait(1);
        Assert.That(rig.StatusOf(number), Is.EqualTo(BlkStatus.Ok));
    }

    /// <summary>Submits a write that is in flight until the disk releases it.</summary>
    private static void HoldOne(DeviceRig rig, int ioThreads)
    {
        rig.Disk.Hold = true;
        rig.Add(BlkRequestType.Out, 0, new byte[512]);
        rig.Kick();
        if (ioThreads == 0)
        {
            rig.Main.Poll(blocking: true);
        }

        Assert.That(() => rig.Disk.HeldCount, Is.EqualTo(1).After(20_000, 1));
    }
}
