using NUnit.Framework;
using RingCore.Aio;

namespace RingCore.Tests.Aio;

public sealed class BottomHalfTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [Test]
    public void Many_schedules_before_it_runs_count_as_one()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        using BottomHalf bottomHalf = context.CreateBottomHalf(() => calls++);
        bottomHalf.Schedule();
        bottomHalf.Schedule();
        Assert.That(context.Poll(blocking: true), Is.True);
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(1));
        bottomHalf.Schedule();
        Assert.That(context.Poll(blocking: true), Is.True);
        Assert.That(calls, Is.EqualTo(2));
    }

    [Test]
    public void They_run_in_the_order_of_scheduling()
    {
        using AioContext context = CreateContext();
        List<int> order = [];
        for (int i = 0; i < 5; i++)
        {
            int number = i;
            context.ScheduleOneShot(() => order.Add(number));
        }

        context.Poll(blocking: true);
        Assert.That(order, Is.EqualTo((int[])[0, 1, 2, 3, 4]));
    }

    [Test]
    public void Scheduled_from_a_bottom_half_it_runs_in_the_next_round_without_sleep()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        BottomHalf? bottomHalf = null;
        bottomHalf = context.CreateBottomHalf(() =>
        {
            if (++calls < 10)
            {
                bottomHalf!.Schedule();
            }
        });
        bottomHalf.Schedule();
        for (int round = 1; round <= 10; round++)
        {
            Assert.That(context.Poll(blocking: true), Is.True);
            Assert.That(calls, Is.EqualTo(round));
        }

        Assert.That(context.Statistics.Sleeps, Is.Zero);
    }

    [Test]
    public void Scheduled_from_a_handler_it_runs_in_the_same_round()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        using BottomHalf bottomHalf = context.CreateBottomHalf(() => calls++);
        context.SetEventNotifier(notifier, new AioHandler
        {
            Read = () =>
            {
                notifier.TestAndClear();
                bottomHalf.Schedule();
            },
        });
        PollAFew(context);
        notifier.Signal();
        long before = context.Statistics.Rounds;
        context.Poll(blocking: true);
        Assert.That((calls, context.Statistics.Rounds - before), Is.EqualTo((1, 1L)));
    }

    [Test]
    public void A_cancelled_one_does_not_run_but_can_be_scheduled_again()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        using BottomHalf bottomHalf = context.CreateBottomHalf(() => calls++);
        bottomHalf.Schedule();
        bottomHalf.Cancel();
        PollAFew(context);
        Assert.That(calls, Is.Zero);
        bottomHalf.Schedule();
        bottomHalf.Cancel();
        bottomHalf.Schedule();
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(1));
    }

    [Test]
    public void A_deleted_one_does_not_run()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        BottomHalf bottomHalf = context.CreateBottomHalf(() => calls++);
        bottomHalf.Schedule();
        bottomHalf.Dispose();
        bottomHalf.Schedule();
        bottomHalf.ScheduleIdle();
        PollAFew(context);
        Assert.That(calls, Is.Zero);
    }

    [Test]
    public void It_can_delete_itself_and_others_while_running()
    {
        using AioContext context = CreateContext();
        List<string> calls = [];
        BottomHalf? first = null;
        BottomHalf? second = null;
        first = context.CreateBottomHalf(() =>
        {
            calls.Add("first");
            first!.Dispose();
            second!.Dispose();
        });
        second = context.CreateBottomHalf(() => calls.Add("second"));
        first.Schedule();
        second.Schedule();
        PollAFew(context);
        Assert.That(calls, Is.EqualTo((string[])["first"]));
    }

    [Test]
    public void An_idle_one_runs_soon_and_is_no_progress()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        using BottomHalf bottomHalf = context.CreateBottomHalf(() => calls++);
        bottomHalf.ScheduleIdle();
        Assert.That(context.Poll(blocking: true), Is.False); // sleeps a moment, not for ever
        Assert.That((calls, context.Statistics.Sleeps), Is.EqualTo((1, 1L)));
    }

    [Test]
    public void An_idle_one_becomes_urgent_when_scheduled_but_not_the_other_way_round()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        using BottomHalf bottomHalf = context.CreateBottomHalf(() => calls++);
        bottomHalf.ScheduleIdle();
        bottomHalf.Schedule();
        bottomHalf.ScheduleIdle();
        Assert.That(context.Poll(blocking: true), Is.True);
        Assert.That((calls, context.Statistics.Sleeps), Is.EqualTo((1, 0L)));
    }

    [Test]
    public void A_nested_round_runs_what_the_outer_one_had_not_yet()
    {
        using AioContext context = CreateContext();
        List<string> calls = [];
        context.ScheduleOneShot(() =>
        {
            context.Poll(blocking: true);
            calls.Add("outer");
        });
        context.ScheduleOneShot(() => calls.Add("inner"));
        context.Poll(blocking: true);
        Assert.That(calls, Is.EqualTo((string[])["inner", "outer"]));
    }

    [Test]
    public void Schedules_of_many_threads_are_all_seen()
    {
        const int Threads = 4;
        const int Each = 5000;
        using IoThread loop = new(Options());
        long[] published = new long[Threads];
        long[] seen = new long[Threads];
        using BottomHalf bottomHalf = loop.Context.CreateBottomHalf(() =>
        {
            for (int i = 0; i < Threads; i++)
            {
                seen[i] = Volatile.Read(ref published[i]);
            }
        });
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(i => new Thread(() =>
        {
            for (int n = 1; n <= Each; n++)
            {
                Volatile.Write(ref published[i], n);
                bottomHalf.Schedule();
            }
        }))];
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());

        // The last schedule of all came after every publication, so the run that it asked for sees them all.
        Assert.That(SpinWait.SpinUntil(() => seen.Sum(s => Volatile.Read(ref s)) == Threads * Each, Patience), Is.True);
    }
}
