using FuseFront.Disk;
using FuseFront.Driver;
using RingCore.Aio;

namespace FuseFront.Tests.Driver;

/// <summary>The request timeout on one queue, whose loop and main loop are both polled here.</summary>
public sealed class RequestWatchTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Test]
    public void Completion_that_no_irq_announced_is_found()
    {
        using Rig rig = new();
        rig.Queue.Read(0);
        rig.Queue.Queue.Submit();
        rig.Device.Answer(rig.Device.Take().Single());
        rig.PollUntil(() => rig.Queue.Ends.Count == 1);
        Assert.That(rig.Queue.Queue.Statistics.LostIrqs, Is.EqualTo(1));
        Assert.That((rig.Queue.Queue.Statistics.RepeatedKicks, rig.Late), Is.EqualTo((0, 0)));
    }

    [Test]
    public void Lost_kick_is_repeated_once_though_the_device_wants_none()
    {
        using Rig rig = new();
        rig.Queue.Read(0);
        rig.Queue.Queue.Submit(); // the device does not hear
        rig.Device.Kicked = () =>
        {
            foreach (FakeRequest request in rig.Device.Take())
            {
                rig.Device.Answer(request);
            }

            rig.Queue.Queue.Complete();
        };
        rig.PollUntil(() => rig.Queue.Ends.Count == 1);
        Assert.That((rig.Queue.Queue.Statistics.RepeatedKicks, rig.Late), Is.EqualTo((1, 0)));
    }

    [Test]
    public void Device_that_stays_silent_is_reported_once_until_it_was_reset()
    {
        using Rig rig = new();
        rig.Queue.Read(0);
        rig.Queue.Queue.Submit();
        rig.PollUntil(() => rig.Late == 1);
        Assert.That(rig.Queue.Queue.Statistics.RepeatedKicks, Is.EqualTo(1), "it was kicked again first");
        rig.PollFor(Timeout);
        Assert.That(rig.Late, Is.EqualTo(1));
        rig.Watch.Restarted();
        rig.PollUntil(() => rig.Late == 2);
    }

    [Test]
    public void Idle_queue_wakes_nobody()
    {
        using Rig rig = new();
        rig.Queue.Read(0);
        rig.Queue.Queue.Submit();
        rig.Device.Answer(rig.Device.Take().Single());
        rig.Queue.Queue.Complete();
        rig.PollFor(Timeout); // the clock's last tick
        rig.PollUntil(() => !rig.IsClockArmed);
        rig.PollFor(Timeout);
        Assert.That(rig.IsClockArmed, Is.False);
        rig.Queue.Read(1);
        rig.Queue.Queue.Submit();
        Assert.That(rig.IsClockArmed, Is.True);
    }

    private sealed class Rig : IDisposable
    {
        private readonly AioContext _main = new();
        private readonly AioContext _own = new();

        public Rig()
        {
            Watch = new RequestWatch(0, Queue.Queue, Timeout, _main, _own, Queue.Queue.Complete, () => Late++);
        }

        public DriverRig Queue { get; } = new();

        public FakeDevice Device => Queue.Device;

        public RequestWatch Watch { get; }

        public int Late { get; private set; }

        public bool IsClockArmed => Watch.IsClockArmed;

        public void PollUntil(Func<bool> condition)
        {
            long end = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
            while (!condition())
            {
                Assert.That(Environment.TickCount64, Is.LessThan(end), "waited in vain");
                Poll();
            }
        }

        public void PollFor(TimeSpan time)
        {
            for (long end = Environment.TickCount64 + (long)time.TotalMilliseconds; Environment.TickCount64 < end;)
            {
                Poll();
            }
        }

        public void Dispose()
        {
            Watch.Dispose();
            _main.Dispose();
            _own.Dispose();
            Queue.Dispose();
        }

        private void Poll()
        {
            _main.Poll(blocking: false);
            _own.Poll(blocking: false);
            Thread.Yield();
        }
    }
}
