using RingCore.Virtio;

namespace RingCore.Tests.Virtio;

/// <summary>Driver and device on two threads that sleep on real eventfd-like signals: a lost wake-up would hang them.</summary>
[TestFixture(true)]
[TestFixture(false)]
public sealed class RingThreadsTests(bool eventIndex)
{
    private const int Requests = 200_000;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    [Test]
    public void Two_threads_that_sleep_never_miss_a_wake_up()
    {
        VirtioFeatures features = VirtioFeatures.Version1 | (eventIndex ? VirtioFeatures.EventIndex : 0);
        using RingPair pair = new(8, features);
        using SemaphoreSlim kick = new(0);
        using SemaphoreSlim irq = new(0);
        Exception? failure = null;
        Thread device = new(() => Guard(() => RunDevice(pair, kick, irq), ref failure));
        device.Start();
        Guard(() => RunDriver(pair, kick, irq), ref failure);
        Assert.That(device.Join(Bound), Is.True, "the device thread hangs");
        Assert.That(failure, Is.Null);
    }

    private static void Guard(Action action, ref Exception? failure)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            failure = e;
        }
    }

    private static void RunDriver(RingPair pair, SemaphoreSlim kick, SemaphoreSlim irq)
    {
        int sent = 0;
        int received = 0;
        while (received < Requests)
        {
            bool added = false;
            while (sent < Requests && pair.TryAdd([16], [1], indirect: false, out _))
            {
                sent++;
                added = true;
            }

            if (added)
            {
                pair.Driver.Publish();
                if (pair.Driver.ShouldKick())
                {
                    kick.Release();
                }
            }

            pair.Driver.DisableInterrupts();
            while (pair.TryTake(out _, out _))
            {
                received++;
            }

            if (!pair.Driver.EnableInterrupts() && received < Requests && pair.Driver.Outstanding == pair.Ring.Size / 2)
            {
                Assert.That(irq.Wait(Bound), Is.True, $"no interrupt after {received} of {sent} requests");
            }
        }
    }

    private static void RunDevice(RingPair pair, SemaphoreSlim kick, SemaphoreSlim irq)
    {
        DescriptorChain chain = new();
        int done = 0;
        while (done < Requests)
        {
            pair.Device.DisableNotifications();
            while (pair.Device.TryPop(chain))
            {
                pair.Device.Push(chain.Head, 1);
                done++;
            }

            if (pair.Device.ShouldNotify())
            {
                irq.Release();
            }

            if (!pair.Device.EnableNotifications() && done < Requests)
            {
                Assert.That(kick.Wait(Bound), Is.True, $"no kick after {done} requests");
            }
        }
    }
}
