using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace RingCore.Tests.Aio;

public sealed class PollingTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    private const long OneSecondNs = 1_000_000_000;

    /// <summary>A ring as a device sees it: kicks are wanted or not, and only wanted ones reach the notifier.</summary>
    private sealed class Ring : IDisposable
    {
        private int _wantsKick = 1;
        private int _available;

        internal EventNotifier Kick { get; } = new();

        internal int Served { get; private set; }

        internal int Begins { get; private set; }

        internal int Ends { get; private set; }

        internal Action? BetweenLookAndEnd { get; set; }

        internal Func<bool>? Expects { get; init; }

        internal AioHandler Handler => new()
        {
            Expects = Expects,
            Read = () =>
            {
                Kick.TestAndClear();
                Serve();
            },
            Poll = () => Volatile.Read(ref _available) != 0,
            PollReady = Serve,
            PollBegin = () =>
            {
                Begins++;
                Volatile.Write(ref _wantsKick, 0);
            },
            PollEnd = () =>
            {
                Ends++;
                Action? race = BetweenLookAndEnd;
                BetweenLookAndEnd = null;
                race?.Invoke();
                Interlocked.Exchange(ref _wantsKick, 1);
            },
        };

        public void Dispose() => Kick.Dispose();

        internal void Submit()
        {
            Interlocked.Increment(ref _available);
            if (Volatile.Read(ref _wantsKick) != 0)
            {
                Kick.Signal();
            }
        }

        private void Serve() => Served += Interlocked.Exchange(ref _available, 0);
    }

    // Blocking rounds whose work is there at once: the short wait is what makes the polling time grow.
    private static void Feed(AioContext context, Ring ring, int count)
    {
        using AioTimer alarm = context.CreateTimer(() => { });
        alarm.Arm(Patience);
        context.Poll(blocking: false); // takes the notification that arming left
        for (int i = 0; i < count; i++)
        {
            int wanted = ring.Served + 1;
            ring.Submit();
            while (ring.Served < wanted)
            {
                Assert.That(context.Poll(blocking: true), Is.True);
            }
        }
    }

    // A round that finds nothing for some milliseconds, so that it sleeps in the end.
    private static void SleepOnce(AioContext context)
    {
        bool isOver = false;
        using AioTimer timer = context.CreateTimer(() => isOver = true);
        timer.Arm(TimeSpan.FromMilliseconds(100));
        context.Poll(blocking: false); // takes the notification that arming left
        long sleeps = context.Statistics.Sleeps;
        PollUntil(context, () => isOver);
        Assert.That(context.Statistics.Sleeps, Is.GreaterThan(sleeps));
    }

    [Test]
    public void Kick_is_not_lost_when_polling_ends()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using Ring ring = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        Feed(context, ring, 3);
        ring.BetweenLookAndEnd = ring.Submit; // unannounced: kicks are still suppressed
        PollUntil(context, () => ring.Served == 4);
        Assert.That(ring.BetweenLookAndEnd, Is.Null);
    }

    [Test]
    public void Begin_and_end_are_paired_and_end_comes_before_sleep()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using Ring ring = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        Feed(context, ring, 5);

        using AioTimer timer = context.CreateTimer(() => { });
        timer.Arm(TimeSpan.FromMilliseconds(5));
        long sleeps = context.Statistics.Sleeps;
        PollUntil(context, () => context.Statistics.Sleeps > sleeps);
        Assert.That(ring.Begins, Is.GreaterThan(0));
        Assert.That(ring.Ends, Is.EqualTo(ring.Begins));
    }

    [TestCase(1)]
    [TestCase(4)]
    public void With_yields_it_looks_once_for_each_and_once_more(int yields)
    {
        using AioContext context = CreateContext(OneSecondNs);
        context.PollYields = yields;
        using EventNotifier notifier = new();
        int looks = 0;
        context.SetEventNotifier(notifier, new AioHandler
        {
            Notified = () => { },
            Poll = () =>
            {
                looks++;
                return false;
            },
        });
        SleepOnce(context);
        long sleeps = context.Statistics.Sleeps;
        using AioTimer timer = context.CreateTimer(() => { });
        timer.Arm(TimeSpan.FromMilliseconds(50));
        context.Poll(blocking: false); // takes the notification that arming left
        looks = 0;
        context.Poll(blocking: true);
        Assert.That((looks, context.Statistics.Sleeps - sleeps), Is.EqualTo((yields + 1, 1L)));
    }

    [Test]
    public void With_yields_a_peer_on_the_same_CPU_is_served_without_a_kick()
    {
        const int Requests = 300;
        int cpu = ThreadScheduling.GetAffinity()[0];
        using AioContext context = CreateContext(OneSecondNs);
        context.PollYields = 4;
        using Ring ring = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        int submitted = 0;
        Thread guest = new(() =>
        {
            Assert.That(ThreadScheduling.TrySetAffinity([cpu]), Is.Zero);
            for (; submitted < Requests; Thread.Yield())
            {
                if (Volatile.Read(ref submitted) == ring.Served)
                {
                    submitted++;
                    ring.Submit();
                }
            }
        });
        Thread loop = new(() =>
        {
            Assert.That(ThreadScheduling.TrySetAffinity([cpu]), Is.Zero);
            guest.Start();
            PollUntil(context, () => ring.Served == Requests);
        });
        loop.Start();
        loop.Join();
        guest.Join();
        Assert.That(context.Statistics.PollHits, Is.GreaterThan(Requests / 2));
    }

    [Test]
    public void Polling_finds_work_without_a_kick()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using Ring ring = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        Thread guest = new(() =>
        {
            bool served = true;
            for (int i = 1; i <= 300 && served; i++)
            {
                ring.Submit();
                served = SpinWait.SpinUntil(() => ring.Served == i, Patience);
            }
        });
        guest.Start();
        PollUntil(context, () => ring.Served == 300);
        guest.Join();
        Assert.That(context.Statistics.PollHits, Is.GreaterThan(0));
    }

    [Test]
    public void With_a_handler_that_cannot_poll_there_is_no_polling_at_all()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using Ring ring = new();
        using EventNotifier plain = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        context.SetEventNotifier(plain, new AioHandler { Read = () => { } });
        Feed(context, ring, 5);

        Assert.That((ring.Begins, context.Statistics.PollHits + context.Statistics.PollMisses), Is.EqualTo((0, 0L)));
        context.SetEventNotifier(plain, null);
        Feed(context, ring, 5);

        Assert.That(ring.Begins, Is.GreaterThan(0));
    }

    [Test]
    public void Polling_ends_when_a_handler_that_cannot_poll_is_added()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using Ring ring = new();
        using EventNotifier plain = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        Feed(context, ring, 5);
        Assert.That(ring.Begins, Is.GreaterThan(ring.Ends));
        context.SetEventNotifier(plain, new AioHandler { Read = () => { } });
        PollAFew(context);
        Assert.That(ring.Ends, Is.EqualTo(ring.Begins));
    }

    [Test]
    public void PollMaxNs_can_be_changed_at_run_time()
    {
        using AioContext context = CreateContext();
        using Ring ring = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        Feed(context, ring, 4);
        Assert.That(ring.Begins, Is.Zero);
        context.PollMaxNs = OneSecondNs;
        Feed(context, ring, 4);
        int begins = ring.Begins;
        Assert.That(begins, Is.GreaterThan(0));
        context.PollMaxNs = 0;
        Feed(context, ring, 4);
        Assert.That(ring.Begins, Is.EqualTo(begins));
        Assert.That(ring.Ends, Is.EqualTo(begins));
        Assert.That(() => context.PollMaxNs = -1, Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Polling_never_takes_less_than_PollMinNs_nor_more_than_PollMaxNs()
    {
        using AioContext context = CreateContext();
        using Ring ring = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        context.PollMaxNs = 2_000_000;
        context.PollMinNs = OneSecondNs;
        SleepOnce(context);
        SleepOnce(context); // longer than polling may take: without a minimum it would have been given up
        Assert.That(context.Statistics.PollMisses, Is.EqualTo(2));
        Assert.That(context.PollTimeNs, Is.LessThanOrEqualTo(2_000_000));
        context.PollMinNs = 0;
        SleepOnce(context);
        long misses = context.Statistics.PollMisses;
        SleepOnce(context);
        Assert.That(context.Statistics.PollMisses, Is.EqualTo(misses), "now it learns");
        Assert.That(() => context.PollMinNs = -1, Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Nothing_is_polled_for_while_nobody_expects_anything_and_notifications_stay_off()
    {
        using AioContext context = CreateContext(OneSecondNs);
        bool expects = true;
        using Ring ring = new() { Expects = () => expects };
        context.SetEventNotifier(ring.Kick, ring.Handler);
        Feed(context, ring, 5);
        Assert.That((ring.Begins, ring.Ends), Is.EqualTo((1, 0)), "a poll that always finds something goes on");

        expects = false;
        (long hits, long misses) = (context.Statistics.PollHits, context.Statistics.PollMisses);
        SleepOnce(context);
        Assert.That((context.Statistics.PollHits, context.Statistics.PollMisses), Is.EqualTo((hits, misses)));
        Assert.That(ring.Ends, Is.Zero);

        // Others that have no say do not make it poll, and one that expects something does.
        using EventNotifier other = new();
        context.SetEventNotifier(other, new AioHandler { Read = () => other.TestAndClear(), Poll = static () => false });
        SleepOnce(context);
        Assert.That(context.Statistics.PollMisses, Is.EqualTo(misses));
        expects = true;
        context.PollMaxNs = 1_000_000;
        SleepOnce(context);
        Assert.That(context.Statistics.PollMisses, Is.EqualTo(misses + 1));
        Assert.That(ring.Ends, Is.EqualTo(ring.Begins), "it has slept with something to come");
    }

    [Test]
    public void What_came_silently_while_nobody_expected_it_is_found_as_soon_as_somebody_does()
    {
        using AioContext context = CreateContext(OneSecondNs);
        bool expects = true;
        using Ring ring = new() { Expects = () => expects };
        context.SetEventNotifier(ring.Kick, ring.Handler);
        Feed(context, ring, 5);
        expects = false;
        SleepOnce(context);
        ring.Submit(); // against what it said: kicks are still suppressed
        expects = true;
        PollUntil(context, () => ring.Served == 6);
    }

    [Test]
    public void Who_has_no_say_is_notified_while_others_expect_nothing()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using Ring ring = new();
        using EventNotifier other = new();
        bool expects = true;
        context.SetEventNotifier(ring.Kick, ring.Handler);
        context.SetEventNotifier(other, new AioHandler { Read = () => other.TestAndClear(), Poll = static () => false, Expects = () => expects });
        Feed(context, ring, 5);
        Assert.That(ring.Begins, Is.GreaterThan(ring.Ends));
        expects = false;
        SleepOnce(context);
        Assert.That(ring.Ends, Is.EqualTo(ring.Begins));
        ring.Kick.TestAndClear();
        ring.Submit();
        PollUntil(context, () => ring.Served == 6);
    }

    [Test]
    public void A_handler_deleted_while_polling_is_told_that_polling_ended()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using Ring ring = new();
        AioHandler handler = ring.Handler;
        context.SetEventNotifier(ring.Kick, handler);
        Feed(context, ring, 5);
        Assert.That(ring.Begins, Is.GreaterThan(ring.Ends));
        context.SetEventNotifier(ring.Kick, null);
        PollAFew(context);
        Assert.That(ring.Ends, Is.EqualTo(ring.Begins));
    }

    [Test]
    public void What_came_while_the_replaced_handler_polled_is_found_by_the_new_one()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using Ring ring = new();
        using EventNotifier idle = new();
        context.SetEventNotifier(ring.Kick, ring.Handler);
        bool replace = false;
        context.SetEventNotifier(idle, new AioHandler
        {
            // While both are being polled: work comes without a kick, and the handler is replaced before it is looked at.
            Poll = () => replace && ring.Begins > ring.Ends,
            PollReady = () =>
            {
                replace = false;
                ring.Submit();
                context.SetEventNotifier(ring.Kick, ring.Handler);
                context.PollMaxNs = 0;
            },
        });
        Feed(context, ring, 5);
        ring.Kick.TestAndClear(); // kicks that polling forestalled
        PollAFew(context);
        replace = true;
        PollUntil(context, () => ring.Served == 6);
        Assert.That(replace, Is.False);
    }

    [Test]
    public void A_bottom_half_of_another_thread_ends_polling()
    {
        using IoThread thread = new(Options((long)Patience.TotalNanoseconds * 10));
        using Ring ring = new();
        thread.Context.SetEventNotifier(ring.Kick, ring.Handler);
        for (int i = 0; i < 200; i++)
        {
            thread.Context.Invoke(() => { });
        }

        thread.Context.SetEventNotifier(ring.Kick, null);
        thread.Context.Invoke(() => { });
    }

    [Test]
    public void The_monitor_is_not_starved_by_polling_that_always_finds_work()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using EventNotifier busy = new();
        using EventNotifier other = new();
        int reads = 0;
        context.SetEventNotifier(busy, new AioHandler { Poll = () => true, PollReady = () => { } });
        context.SetEventNotifier(other, new AioHandler { Poll = () => false, Read = () => reads += other.TestAndClear() ? 1 : 0 });
        PollAFew(context);
        other.Signal();
        PollUntil(context, () => reads == 1);
    }

    [Test]
    public void Read_serves_what_Poll_found_when_there_is_no_PollReady()
    {
        using AioContext context = CreateContext(OneSecondNs);
        using EventNotifier notifier = new();
        bool work = true;
        int reads = 0;
        context.SetEventNotifier(notifier, new AioHandler
        {
            Poll = () => work,
            Read = () =>
            {
                work = false;
                reads++;
            },
        });
        PollUntil(context, () => reads > 0);
        PollAFew(context);
        Assert.That(reads, Is.EqualTo(1));
    }
}
