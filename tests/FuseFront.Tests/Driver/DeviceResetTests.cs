using FuseFront.Driver;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>A device is reset under requests in flight: none is lost, none is answered with another's end.</summary>
public sealed class DeviceResetTests
{
    [Test]
    public void Requests_in_flight_are_submitted_again_whole_and_in_their_slots()
    {
        using DriverRig rig = new();
        int first = rig.Write(3, 0xA1);
        int second = rig.Read(7);
        rig.Queue.Submit();
        IReadOnlyList<FakeRequest> before = rig.Device.Take();
        Assert.That(rig.Recover(), Is.EqualTo((2, 0)));
        IReadOnlyList<FakeRequest> after = rig.Device.Take();
        Assert.That(after.Select(Essence), Is.EquivalentTo(before.Select(Essence)));
        Assert.That(rig.Ends, Is.Empty);
        foreach (FakeRequest request in after)
        {
            rig.Device.Answer(request);
        }

        rig.Queue.Complete();
        Assert.That(rig.Ends, Is.EquivalentTo(new[] { (first, BlkStatus.Ok), (second, BlkStatus.Ok) }));
        Assert.That(rig.Queue.Statistics.Resubmitted, Is.EqualTo(2));
        Assert.That(rig.Queue.Outstanding, Is.Zero);
    }

    [Test]
    public void What_was_answered_before_the_reset_and_not_taken_is_not_believed()
    {
        using DriverRig rig = new();
        int slot = rig.Read(1);
        rig.Queue.Submit();
        FakeRequest old = rig.Device.Take().Single();
        rig.Device.BeforeReset = () => rig.Device.Answer(old);
        rig.Recover();
        Assert.That(rig.Ends, Is.Empty);
        Assert.That(rig.Queue.StatusOf(slot), Is.Not.EqualTo(BlkStatus.Ok), "the old status is gone");
        rig.Device.Answer(rig.Device.Take().Single());
        rig.Queue.Complete();
        Assert.That(rig.Ends, Is.EqualTo(new[] { (slot, BlkStatus.Ok) }));
    }

    [Test]
    public void Requests_that_come_during_the_reset_wait_in_their_slots()
    {
        using DriverRig rig = new();
        rig.Write(1, 1);
        rig.Queue.Submit();
        rig.Device.Take();
        rig.Queue.Hold();
        rig.Write(2, 2); // before the reset
        rig.Queue.Submit();
        rig.Driver.Reset();
        Assert.That(rig.Device.HasMemory, Is.False);
        rig.Queue.ClearRing();
        rig.Write(3, 3); // between reset and start
        rig.Queue.Submit();
        int kicks = rig.Device.Kicks;
        rig.Driver.Restart();
        Assert.That(rig.Device.Take(), Is.Empty, "the queue is still held");
        Assert.That(rig.Queue.Resume(rig.Driver.Doorbells(0), DriverRig.NeverLate, 3), Is.EqualTo((1, 0)), "one was with the device");
        Assert.That(rig.Device.Kicks, Is.EqualTo(kicks + 1));
        Assert.That(rig.Device.Take().Select(r => (r.Sector, r.First)), Is.EquivalentTo(new[] { (1UL, (byte)1), (2UL, 2), (3UL, 3) }));
    }

    [Test]
    public void Held_queue_can_be_released_without_a_reset()
    {
        using DriverRig rig = new();
        int early = rig.Write(1, 1);
        rig.Queue.Submit();
        FakeRequest request = rig.Device.Take().Single();
        rig.Queue.Hold();
        int late = rig.Write(2, 2);
        rig.Queue.Submit();
        rig.Device.Answer(request);
        rig.Queue.Complete();
        Assert.That(rig.Ends, Is.Empty, "nothing is taken while held");
        rig.Queue.Release();
        rig.Device.Answer(rig.Device.Take().Single());
        rig.Queue.Complete();
        Assert.That(rig.Ends.Select(e => e.Slot), Is.EqualTo(new[] { early, late }));
    }

    [Test]
    public void Request_that_times_out_again_and_again_ends_with_an_error_and_frees_its_slot()
    {
        using DriverRig rig = new();
        int hung = rig.Write(1, 1);
        rig.Queue.Submit();
        for (int timeout = 1; timeout < 3; timeout++)
        {
            Assert.That(rig.Queue.Tick(), Is.EqualTo(1));
            Assert.That(rig.Recover(lateTicks: 1), Is.EqualTo((1, 0)));
            Assert.That(rig.Device.Take(), Has.Count.EqualTo(1));
        }

        rig.Queue.Tick();
        int fresh = rig.Write(2, 2);
        rig.Queue.Submit();
        Assert.That(rig.Recover(lateTicks: 1), Is.EqualTo((1, 1)), "the other one has not timed out");
        Assert.That(rig.Ends, Is.EqualTo(new[] { (hung, BlkStatus.IoError) }));
        Assert.That(rig.Device.Take().Single().Sector, Is.EqualTo(2));
        Assert.That(fresh, Is.Not.EqualTo(hung));
        rig.Queue.ReturnSlot(hung);
        rig.Write(9, 9);
        rig.Queue.Submit();
        Assert.That(rig.Device.Take().Single().Sector, Is.EqualTo(9), "the slot begins anew");
        Assert.That(rig.Recover(lateTicks: 1), Is.EqualTo((2, 0)));
    }

    [Test]
    public void Ticks_are_counted_by_request()
    {
        using DriverRig rig = new();
        rig.Write(1, 1);
        rig.Queue.Submit();
        Assert.That(rig.Queue.Tick(), Is.EqualTo(1));
        rig.Write(2, 2);
        Assert.That(rig.Queue.Tick(), Is.EqualTo(2));
        Assert.That((rig.Queue.CountAged(0), rig.Queue.CountAged(1, 1), rig.Queue.CountAged(2)), Is.EqualTo((2, 1, 1)));
        for (int i = 0; i < 1000; i++)
        {
            rig.Queue.Tick();
        }

        Assert.That(rig.Queue.CountAged(100), Is.EqualTo(2), "a count that is full stays so");
    }

    [Test]
    public void Disk_that_is_another_after_its_reset_is_refused()
    {
        using DriverRig rig = new();
        rig.Device.Capacity++;
        Assert.That(() => rig.Recover(), Throws.InstanceOf<ProtocolException>().With.Message.Contains("sectors"));
    }

    [Test]
    public void Device_that_lacks_a_feature_after_its_reset_is_refused()
    {
        using DriverRig rig = new();
        rig.Device.OfferedFeatures &= ~VirtioFeatures.BlkFlush;
        Assert.That(() => rig.Recover(), Throws.InstanceOf<ProtocolException>().With.Message.Contains("BlkFlush"));
    }

    [Test]
    public void Device_whose_segments_are_smaller_after_its_reset_is_refused()
    {
        using DriverRig rig = new(device => device.OfferedFeatures |= VirtioFeatures.BlkSizeMax | VirtioFeatures.BlkSegMax);
        rig.Device.Config = rig.Device.Config with { SizeMax = 1 << 17, SegMax = 14 };
        Assert.That(() => rig.Recover(), Throws.InstanceOf<ProtocolException>().With.Message.Contains("limits"));
    }

    [Test]
    public void Device_that_hangs_in_its_reset_is_not_asked_again_at_the_end()
    {
        DriverRig rig = new();
        int slot = rig.Write(1, 1);
        rig.Queue.Submit();
        rig.Device.HangsInReset = true;
        Assert.That(() => rig.Recover(), Throws.InstanceOf<ProtocolException>());
        rig.Queue.Fail();
        Assert.That(rig.Ends, Is.EqualTo(new[] { (slot, BlkStatus.IoError) }));
        rig.Device.BeforeReset = () => Assert.Fail("asked again");
        rig.Device.HangsInReset = false;
        rig.Dispose();
    }

    /// <summary>A slot serves other requests on their way to an error, while the old device may still have it.</summary>
    [Test]
    public void Device_that_was_given_up_sees_nothing_of_later_requests()
    {
        using DriverRig rig = new();
        int slot = rig.Write(1, 0xA1);
        rig.Queue.Submit();
        rig.Driver.Sever();
        rig.Queue.Fail();
        rig.Queue.ReturnSlot(slot);
        Assert.That(rig.Write(2, 0xB2), Is.EqualTo(slot));
        Assert.That(rig.Device.Take().Select(r => (r.Sector, r.First)), Is.EqualTo(new[] { (1UL, (byte)0xA1) }));
        rig.Queue.Complete();
        Assert.That(rig.Ends.Select(e => e.Status), Is.EqualTo(new[] { BlkStatus.IoError, BlkStatus.IoError }));
    }

    private static (ushort Head, BlkRequestType Type, ulong Sector, uint Writable, byte First) Essence(FakeRequest request) =>
        (request.Head, request.Type, request.Sector, request.Writable, request.First);
}
