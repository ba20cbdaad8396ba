using NUnit.Framework;
using RingCore.Aio;

namespace RingCore.Tests.Aio;

public sealed class NotifyTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [Test]
    public void Notify_before_a_round_keeps_it_from_sleeping()
    {
        using AioContext context = CreateContext();
        context.Notify();
        Assert.That(context.Poll(blocking: true), Is.False);
        Assert.That(context.Statistics.Sleeps, Is.Zero);
    }

    [Test]
    public void Notify_from_a_callback_keeps_the_next_round_from_sleeping()
    {
        using AioContext context = CreateContext();
        context.ScheduleOneShot(context.Notify);
        context.Poll(blocking: true);
        context.Poll(blocking: true);
        Assert.That(context.Statistics.Sleeps, Is.Zero);
    }

    [Test]
    public void Notify_wakes_a_sleeping_loop_with_one_write()
    {
        using IoThread thread = new(Options());
        AioStatistics statistics = thread.Context.Statistics;
        for (int i = 0; i < 20; i++)
        {
            long sleeps = Volatile.Read(ref statistics.Sleeps);
            thread.Context.Notify();
            Assert.That(SpinWait.SpinUntil(() => Volatile.Read(ref statistics.Sleeps) > sleeps, Patience), Is.True);
        }

        Assert.That(Volatile.Read(ref statistics.Wakeups), Is.InRange(1, 20));
    }

    [Test]
    public void Notify_of_an_awake_loop_writes_nothing()
    {
        using AioContext context = CreateContext();
        using ManualResetEventSlim inside = new();
        using ManualResetEventSlim notified = new();
        Thread notifier = new(() =>
        {
            inside.Wait();
            for (int i = 0; i < 1000; i++)
            {
                context.Notify();
            }

            notified.Set();
        });
        notifier.Start();
        context.ScheduleOneShot(() =>
        {
            inside.Set();
            notified.Wait();
        });
        context.Poll(blocking: true);
        context.Poll(blocking: true);
        notifier.Join();
        Assert.That((context.Statistics.Wakeups, context.Statistics.Sleeps), Is.EqualTo((0L, 0L)));
    }

    [Test]
    public void Notify_and_Schedule_on_a_disposed_context_do_no_harm()
    {
        AioContext context = CreateContext();
        BottomHalf bottomHalf = context.CreateBottomHalf(() => Assert.Fail("ran on a disposed context"));
        PollAFew(context);
        context.Dispose();
        context.Notify();
        bottomHalf.Schedule();
        Assert.That(() => context.Poll(blocking: false), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(() => context.Invoke(() => { }), Throws.InstanceOf<ObjectDisposedException>());
        context.Dispose();
    }

    /// <summary>One thread at a time hands the loop a token and waits for it: each wake-up that is lost hangs this test.</summary>
    [TestCase(0)]
    [TestCase(20_000)]
    public void No_wake_up_is_lost_in_ping_pong(long pollMaxNs)
    {
        const int Rounds = 4000;
        using IoThread loop = new(Options(pollMaxNs));
        using SemaphoreSlim answer = new(0);
        using BottomHalf bottomHalf = loop.Context.CreateBottomHalf(() => answer.Release());
        for (int i = 0; i < Rounds; i++)
        {
            bottomHalf.Schedule();
            Assert.That(answer.Wait(Patience), Is.True, $"wake-up {i} of {Rounds} was lost");
        }
    }

    /// <summary>The same from several threads, whose schedules meet the loop at every point of its way to sleep and back.</summary>
    [TestCase(0)]
    [TestCase(20_000)]
    public void No_wake_up_is_lost_under_stress(long pollMaxNs)
    {
        const int Threads = 3;
        const int Rounds = 1500;
        const int Seed = 20240607;
        using IoThread loop = new(Options(pollMaxNs));
        int lost = 0;
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(t => new Thread(() =>
        {
            Random random = new(Seed + t);
            using SemaphoreSlim answer = new(0);
            using BottomHalf bottomHalf = loop.Context.CreateBottomHalf(() => answer.Release());
            using EventNotifier notifier = new();
            loop.Context.SetEventNotifier(notifier, new AioHandler
            {
                Read = () => _ = notifier.TestAndClear() ? answer.Release() : 0,
                Poll = () => false,
            });
            for (int i = 0; i < Rounds && Volatile.Read(ref lost) == 0; i++)
            {
                Thread.SpinWait(random.Next(200));
                if (random.Next(4) == 0)
                {
                    notifier.Signal();
                }
                else
                {
                    bottomHalf.Schedule();
                }

                if (!answer.Wait(Patience))
                {
                    Interlocked.Increment(ref lost);
                }
            }

            loop.Context.SetEventNotifier(notifier, null);
            loop.Context.Invoke(() => { });
        }))];
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        Assert.That(lost, Is.Zero, $"seed {Seed}");
    }
}
