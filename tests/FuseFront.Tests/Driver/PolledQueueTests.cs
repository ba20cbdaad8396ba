using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>A queue that is looked at needs no interrupts, one that no longer is misses none.</summary>
[TestFixture(false)]
[TestFixture(true)]
public sealed class PolledQueueTests(bool eventIndex)
{
    private DriverRig _rig = null!;

    [SetUp]
    public void SetUp() => _rig = new DriverRig(device => device.OfferedFeatures |= eventIndex ? VirtioFeatures.EventIndex : 0);

    [TearDown]
    public void TearDown() => _rig.Dispose();

    [Test]
    public void Interrupts_stay_off_from_request_to_request_while_it_is_polled()
    {
        Assert.That(Serve(1), Is.True, "nobody looks yet");
        _rig.Queue.BeginPolling();
        for (int i = 2; i < 40; i++)
        {
            Assert.That(Serve(i), Is.False, $"request {i}");
            Assert.That(_rig.Queue.HasCompletions, Is.False);
        }

        Assert.That(_rig.Queue.EndPolling(), Is.False);
        Assert.That(Serve(40), Is.True);
        Assert.That(Serve(41), Is.True);
        Assert.That(_rig.Ends.All(e => e.Status == BlkStatus.Ok), Is.True);
        Assert.That(_rig.Ends, Has.Count.EqualTo(41));
    }

    [Test]
    public void A_device_that_asks_once_for_many_is_told_no_though_some_were_taken_meanwhile()
    {
        Serve(1);
        _rig.Queue.BeginPolling();
        for (int round = 0; round < 3; round++)
        {
            int[] slots = [_rig.Read(2), _rig.Read(3), _rig.Read(4)];
            _rig.Queue.Submit();
            IReadOnlyList<FakeRequest> requests = _rig.Device.Take();
            _rig.Device.Answer(requests[0]);
            _rig.Queue.Complete();
            _rig.Device.Answer(requests[1]);
            _rig.Queue.Complete();
            _rig.Device.Answer(requests[2]);
            Assert.That(_rig.Device.WantsInterrupt(), Is.False, $"round {round}");
            _rig.Queue.Complete();
            Array.ForEach(slots, _rig.Queue.ReturnSlot);
        }
    }

    [Test]
    public void What_came_before_polling_ends_is_to_be_looked_for()
    {
        Serve(1);
        _rig.Queue.BeginPolling();
        Serve(2);
        _rig.Read(3);
        _rig.Queue.Submit();
        _rig.Device.Answer(_rig.Device.Take().Single());
        Assert.That(_rig.Device.WantsInterrupt(), Is.False);
        Assert.That(_rig.Queue.EndPolling(), Is.True);
        _rig.Queue.Complete();
        Assert.That(_rig.Ends, Has.Count.EqualTo(3));
        Assert.That(Serve(4), Is.True);
    }

    [Test]
    public void A_reset_while_it_is_polled_loses_nothing()
    {
        Serve(1);
        _rig.Queue.BeginPolling();
        Serve(2);
        _rig.Read(3);
        _rig.Queue.Submit();
        Assert.That(_rig.Recover(), Is.EqualTo((1, 0)));
        _rig.Device.Answer(_rig.Device.Take().Single());
        Assert.That(_rig.Queue.HasCompletions, Is.True);
        _rig.Queue.Complete();
        _rig.Queue.EndPolling();
        Assert.That(Serve(4), Is.True);
        Assert.That(_rig.Ends, Has.Count.EqualTo(4));
    }

    /// <summary>One request from end to end; whether its irq was wanted.</summary>
    private bool Serve(int sector)
    {
        int slot = _rig.Read(sector);
        _rig.Queue.Submit();
        _rig.Device.Answer(_rig.Device.Take().Single());
        bool wants = _rig.Device.WantsInterrupt();
        _rig.Queue.Complete();
        _rig.Queue.ReturnSlot(slot);
        return wants;
    }
}
