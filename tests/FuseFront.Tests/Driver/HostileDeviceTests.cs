using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>Whatever a device writes into the ring, a request ends with its own end, or the rule that was broken is named.</summary>
public sealed class HostileDeviceTests
{
    [Test]
    public void End_under_another_requests_name_is_not_believed()
    {
        using DriverRig rig = new();
        int first = rig.Read(1);
        int second = rig.Read(2);
        rig.Queue.Submit();
        IReadOnlyList<FakeRequest> requests = rig.Device.Take();
        rig.Device.Answer(requests[0], asHead: requests[1].Head);
        Assert.That(rig.Queue.Complete, Throws.InstanceOf<RingException>().With.Message.Contains("no status"));
        Assert.That(rig.Ends, Is.Empty);
        rig.Queue.Break();
        Assert.That(rig.Recover(), Is.EqualTo((2, 0)), "also the one whose name was abused");
        foreach (FakeRequest request in rig.Device.Take())
        {
            rig.Device.Answer(request);
        }

        rig.Queue.Complete();
        Assert.That(rig.Ends.Select(e => e.Slot), Is.EquivalentTo(new[] { first, second }));
    }

    [Test]
    public void Broken_queue_is_not_released_before_the_reset()
    {
        using DriverRig rig = new();
        rig.Read(1);
        rig.Queue.Submit();
        rig.Device.Answer(rig.Device.Take().Single(), asHead: 9);
        Assert.That(rig.Queue.Complete, Throws.InstanceOf<RingException>().With.Message.Contains("does not have"));
        rig.Queue.Break();
        rig.Queue.Release();
        Assert.That((rig.Queue.IsServing, rig.Queue.HasCompletions), Is.EqualTo((false, false)));
        rig.Recover();
        Assert.That(rig.Queue.IsServing, Is.True);
    }

    [Test]
    public void Too_long_a_length_names_both_lengths()
    {
        using DriverRig rig = new();
        rig.Read(1);
        rig.Queue.Submit();
        rig.Device.Answer(rig.Device.Take().Single(), length: 514);
        Assert.That(rig.Queue.Complete, Throws.InstanceOf<RingException>().With.Message.Contains("514").And.Message.Contains("513"));
        Assert.That(rig.Ends, Is.Empty);
    }

    [Test]
    public void Index_that_jumps_over_what_is_outstanding_is_not_followed()
    {
        using DriverRig rig = new();
        rig.Read(1);
        rig.Queue.Submit();
        rig.Device.Take();
        rig.Device.JumpAhead(2);
        Assert.That(rig.Queue.Complete, Throws.InstanceOf<RingException>().With.Message.Contains("used.idx moved 2"));
    }

    /// <summary>The entries that it leads to are old or empty: they name requests without a status.</summary>
    [Test]
    public void Index_that_jumps_within_what_is_outstanding_is_not_followed()
    {
        using DriverRig rig = new();
        for (int i = 0; i < 4; i++)
        {
            rig.Read(i);
        }

        rig.Queue.Submit();
        IReadOnlyList<FakeRequest> requests = rig.Device.Take();
        rig.Device.Answer(requests[0]);
        rig.Device.JumpAhead(2);
        Assert.That(rig.Queue.Complete, Throws.InstanceOf<RingException>());
        Assert.That(rig.Ends, Has.Count.LessThanOrEqualTo(1), "at most the one that has ended");
    }

    /// <summary>Random lies, each followed by a reset as the disk does it: every request ends once, and with its own data.</summary>
    [Test]
    public void Every_request_ends_once_whatever_the_device_forges([Values] bool twin)
    {
        int seed = Random.Shared.Next();
        TestContext.Out.WriteLine($"seed {seed}");
        Random random = new(seed);
        using DriverRig rig = new(twin ? device => device.AddTwin() : null);
        rig.Queue.UsesTwin = twin;
        Dictionary<int, int> inFlight = []; // slot → its read's sector
        int ended = 0;
        for (int round = 0; round < 2000; round++)
        {
            for (int n = random.Next(4); n > 0 && inFlight.Count < 8; n--)
            {
                int sector = random.Next(1000);
                inFlight[rig.Read(sector)] = sector;
            }

            rig.Queue.Submit();
            foreach (FakeRequest request in rig.Device.Take().OrderBy(_ => random.Next()).ToList())
            {
                int lie = random.Next(20);
                rig.Device.Answer(
                    request,
                    asHead: lie == 0 ? random.Next(20) : null,
                    length: lie == 1 ? (uint)random.Next(1 << 20) : null);
                if (lie == 2)
                {
                    rig.Device.JumpAhead((ushort)random.Next(1, 16), request.Ring);
                }
            }

            Complete(rig);
            foreach ((int slot, BlkStatus status) in rig.Ends)
            {
                Assert.That(status, Is.EqualTo(BlkStatus.Ok));
                Assert.That(inFlight.Remove(slot, out int sector), Is.True, "it ended once");
                Assert.That(rig.FirstByte(slot), Is.EqualTo((byte)sector), "its own data");
                rig.Queue.ReturnSlot(slot);
                ended++;
            }

            rig.Ends.Clear();
        }

        Assert.That(ended, Is.GreaterThan(500));
        Assert.That(rig.Device.Resets, Is.GreaterThan(10));
    }

    private static void Complete(DriverRig rig)
    {
        try
        {
            rig.Queue.Complete();
        }
        catch (RingException)
        {
            rig.Queue.Break();
            rig.Recover();
        }
    }
}
