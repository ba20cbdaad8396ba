using FuseFront.Driver;
using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>A queue whose requests go through two virtqueues: they are shared out, come back from both, and none is lost.</summary>
public sealed class TwinTests
{
    private const int Twin = 1;

    [TestCase(true)]
    [TestCase(false, Description = "chains in the rings' own tables")]
    public void Requests_take_turns_and_come_back_from_both_rings(bool indirect)
    {
        using DriverRig rig = new(device => AddTwin(device, indirect));
        rig.Queue.UsesTwin = true;
        int[] slots = [.. Enumerable.Range(0, 5).Select(i => rig.Read(10 + (2 * i)))];
        rig.Queue.Submit();
        Assert.That(rig.Device.KicksOf[..2], Is.EqualTo(new[] { 1, 1 }), "one for each ring");
        IReadOnlyList<FakeRequest> taken = rig.Device.Take();
        Assert.That(taken.Select(r => (r.Ring, r.Sector)), Is.EqualTo(new[] { (0, 12UL), (0, 16UL), (Twin, 10UL), (Twin, 14UL), (Twin, 18UL) }));
        foreach (FakeRequest request in taken)
        {
            rig.Device.Answer(request);
        }

        Assert.That(rig.Queue.HasCompletions, Is.True);
        rig.Queue.Complete();
        Assert.That(rig.Ends.Select(e => e.Slot), Is.EquivalentTo(slots));
        Assert.That(slots.Select(rig.FirstByte), Is.EqualTo(new byte[] { 10, 12, 14, 16, 18 }), "each has its own sector's data");
        Assert.That((rig.Queue.Outstanding, rig.Queue.HasCompletions), Is.EqualTo((0, false)));
    }

    [Test]
    public void The_ring_with_fewer_requests_gets_the_next()
    {
        using DriverRig rig = new(device => AddTwin(device));
        rig.Queue.UsesTwin = true;
        rig.Read(10);
        rig.Read(20);
        rig.Read(30);
        rig.Queue.Submit();
        foreach (FakeRequest request in rig.Device.Take().Where(r => r.Ring == Twin))
        {
            rig.Device.Answer(request);
        }

        rig.Queue.Complete();
        rig.Read(40);
        rig.Queue.Submit();
        Assert.That(rig.Device.Take().Select(r => r.Ring), Is.EqualTo(new[] { Twin }));
    }

    [Test]
    public void What_continues_the_last_request_of_a_batch_goes_after_it()
    {
        using DriverRig rig = new(device => AddTwin(device));
        rig.Queue.UsesTwin = true;
        for (int sector = 10; sector < 14; sector++)
        {
            rig.Read(sector);
        }

        rig.Queue.Submit();
        Assert.That(rig.Device.Take().Select(r => r.Ring), Is.All.EqualTo(Twin));
        rig.Read(14);
        rig.Queue.Submit();
        Assert.That(rig.Device.Take().Select(r => r.Ring), Is.EqualTo(new[] { 0 }), "the next batch is the other's");
    }

    [Test]
    public void Unused_twin_is_left_alone()
    {
        using DriverRig rig = new(device => AddTwin(device));
        for (int sector = 0; sector < 3; sector++)
        {
            rig.Read(2 * sector);
            rig.Queue.Submit();
            rig.Device.Answer(rig.Device.Take().Single());
            rig.Queue.Complete();
        }

        Assert.That(rig.Device.KicksOf[Twin], Is.Zero);
    }

    [Test]
    public void What_went_to_the_twin_comes_back_when_it_is_no_longer_used()
    {
        using DriverRig rig = new(device => AddTwin(device));
        rig.Queue.UsesTwin = true;
        int slot = rig.Read(1);
        rig.Queue.Submit();
        rig.Queue.UsesTwin = false;
        FakeRequest request = rig.Device.Take().Single();
        Assert.That(request.Ring, Is.EqualTo(Twin));
        rig.Device.Answer(request);
        Assert.That(rig.Device.WantsInterrupt(Twin), Is.True);
        rig.Queue.Complete();
        Assert.That(rig.Ends, Is.EqualTo(new[] { (slot, BlkStatus.Ok) }));
    }

    [Test]
    public void Polling_needs_no_interrupts_of_either_and_ends_with_both([Values] bool eventIndex)
    {
        using DriverRig rig = new(device => AddTwin(device, eventIndex: eventIndex));
        rig.Queue.UsesTwin = true;
        AnswerTwo(rig);
        Assert.That((rig.Device.WantsInterrupt(), rig.Device.WantsInterrupt(Twin)), Is.EqualTo((true, true)));
        TakeBack(rig);
        for (int round = 0; round < 3; round++)
        {
            rig.Queue.BeginPolling();
            AnswerTwo(rig);
            Assert.That((rig.Device.WantsInterrupt(), rig.Device.WantsInterrupt(Twin)), Is.EqualTo((false, false)));
            TakeBack(rig);
            Assert.That(rig.Queue.EndPolling(), Is.False);
            AnswerTwo(rig);
            Assert.That((rig.Device.WantsInterrupt(), rig.Device.WantsInterrupt(Twin)), Is.EqualTo((true, true)));
            TakeBack(rig);
        }
    }

    [Test]
    public void Reset_gives_both_rings_back_what_they_had()
    {
        using DriverRig rig = new(device => AddTwin(device));
        rig.Queue.UsesTwin = true;
        for (int i = 0; i < 4; i++)
        {
            rig.Write(10 * i, (byte)(i + 1));
        }

        rig.Queue.Submit();
        IReadOnlyList<FakeRequest> before = rig.Device.Take();
        Assert.That(rig.Recover(), Is.EqualTo((4, 0)));
        IReadOnlyList<FakeRequest> after = rig.Device.Take();
        Assert.That(after.Select(r => (r.Ring, r.Sector, r.First)), Is.EqualTo(before.Select(r => (r.Ring, r.Sector, r.First))));
        foreach (FakeRequest request in after)
        {
            rig.Device.Answer(request);
        }

        rig.Queue.Complete();
        Assert.That((rig.Ends.Count, rig.Queue.Outstanding), Is.EqualTo((4, 0)));
    }

    [Test]
    public void Polling_that_begins_before_a_reset_and_ends_after_it_leaves_interrupts_on()
    {
        using DriverRig rig = new(device => AddTwin(device));
        rig.Recover(meanwhile: rig.Queue.BeginPolling);
        rig.Queue.EndPolling();
        AnswerTwo(rig);
        Assert.That(rig.Device.WantsInterrupt(), Is.True);
        rig.Queue.UsesTwin = true;
        TakeBack(rig);
        AnswerTwo(rig);
        Assert.That((rig.Device.WantsInterrupt(), rig.Device.WantsInterrupt(Twin)), Is.EqualTo((true, true)));
    }

    [Test]
    public void Requests_that_come_during_a_reset_wait_for_either_ring()
    {
        using DriverRig rig = new(device => AddTwin(device));
        rig.Queue.UsesTwin = true;
        rig.Recover(meanwhile: () =>
        {
            rig.Read(10);
            rig.Read(20);
            rig.Queue.Submit();
        });
        Assert.That(rig.Device.Take().Select(r => (r.Ring, r.Sector)), Is.EqualTo(new[] { (0, 20UL), (Twin, 10UL) }));
    }

    [Test]
    public void A_broken_rule_of_the_twin_is_found()
    {
        using DriverRig rig = new(device => AddTwin(device));
        rig.Queue.UsesTwin = true;
        rig.Read(10);
        rig.Queue.Submit();
        rig.Device.Answer(rig.Device.Take().Single());
        rig.Queue.Complete();
        rig.Device.JumpAhead(1, Twin);
        rig.Read(20);
        rig.Queue.Submit();
        Assert.That(rig.Queue.Complete, Throws.InstanceOf<RingException>());
    }

    [Test]
    public void Late_requests_have_only_their_own_ring_kicked_again()
    {
        using DriverRig rig = new(device => AddTwin(device));
        rig.Queue.UsesTwin = true;
        rig.Read(1);
        rig.Queue.Submit();
        rig.Queue.KickAgain();
        Assert.That(rig.Device.KicksOf[..2], Is.EqualTo(new[] { 0, 2 }));
    }

    [TestCase(1, 2, true, ExpectedResult = true)]
    [TestCase(1, 1, true, ExpectedResult = false, Description = "the device has no such virtqueue")]
    [TestCase(2, 4, true, ExpectedResult = false, Description = "the driver uses fewer queues than the device has")]
    [TestCase(1, 2, false, ExpectedResult = false, Description = "one queue only, since MQ is not offered")]
    public bool Twins_are_used_when_there_is_one_to_each_queue(int firstTwin, int deviceQueues, bool multiQueue)
    {
        using DriverRig rig = new(device =>
        {
            AddTwin(device);
            device.FirstTwin = firstTwin;
            device.QueueCount = deviceQueues;
            device.OfferedFeatures &= multiQueue ? (VirtioFeatures)ulong.MaxValue : ~VirtioFeatures.BlkMultiQueue;
        });
        return rig.Queue.HasTwin;
    }

    private static void AnswerTwo(DriverRig rig)
    {
        rig.Read(10);
        rig.Read(20);
        rig.Queue.Submit();
        foreach (FakeRequest request in rig.Device.Take())
        {
            rig.Device.Answer(request);
        }
    }

    private static void TakeBack(DriverRig rig)
    {
        rig.Queue.Complete();
        rig.Ends.ForEach(end => rig.Queue.ReturnSlot(end.Slot));
        rig.Ends.Clear();
    }

    private static void AddTwin(FakeDevice device, bool indirect = true, bool eventIndex = false)
    {
        device.AddTwin();
        device.Config = device.Config with { QueueCount = 8 };
        device.OfferedFeatures |= eventIndex ? VirtioFeatures.EventIndex : 0;
        device.OfferedFeatures &= indirect ? (VirtioFeatures)ulong.MaxValue : ~VirtioFeatures.IndirectDescriptors;
    }
}
