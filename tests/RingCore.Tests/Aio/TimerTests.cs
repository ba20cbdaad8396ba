using NUnit.Framework;
using RingCore.Aio;

namespace RingCore.Tests.Aio;

public sealed class TimerTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(2);

    [Test]
    public void It_fires_once_and_not_early()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        using AioTimer timer = context.CreateTimer(() => calls++);
        long started = MonotonicClock.Nanoseconds;
        timer.Arm(Short);
        bool progress = false;
        while (calls == 0)
        {
            progress = context.Poll(blocking: true);
        }

        Assert.That(MonotonicClock.Nanoseconds - started, Is.GreaterThanOrEqualTo((long)Short.TotalNanoseconds));
        Assert.That(progress, Is.True);
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(1));
    }

    [Test]
    public void A_sleeping_loop_wakes_up_in_the_kernel_for_it()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        using AioTimer timer = context.CreateTimer(() => calls++);
        timer.Arm(TimeSpan.FromMilliseconds(20));
        PollUntil(context, () => calls == 1);
        Assert.That(context.Statistics.Sleeps, Is.InRange(1, 10));
    }

    [Test]
    public void They_fire_in_the_order_of_their_times_then_of_arming()
    {
        using AioContext context = CreateContext();
        List<int> order = [];
        AioTimer[] timers = [.. Enumerable.Range(0, 4).Select(i => context.CreateTimer(() => order.Add(i)))];
        long started;
        do
        {
            // Each call counts from when it is made: only if all are made within the shortest gap is their order as they say.
            started = MonotonicClock.Nanoseconds;
            timers[3].Arm(4 * Short);
            timers[0].Arm(TimeSpan.Zero);
            timers[2].Arm(3 * Short);
            timers[1].Arm(Short);
        }
        while (MonotonicClock.Nanoseconds - started >= (long)Short.TotalNanoseconds);

        PollUntil(context, () => order.Count == 4);
        Assert.That(order, Is.EqualTo((int[])[0, 1, 2, 3]));
    }

    [Test]
    public void Cancelled_and_disposed_ones_do_not_fire()
    {
        using AioContext context = CreateContext();
        int wrong = 0;
        bool done = false;
        using AioTimer cancelled = context.CreateTimer(() => wrong++);
        AioTimer disposed = context.CreateTimer(() => wrong++);
        using AioTimer last = context.CreateTimer(() => done = true);
        cancelled.Arm(TimeSpan.Zero);
        disposed.Arm(TimeSpan.Zero);
        last.Arm(Short);
        cancelled.Cancel();
        disposed.Dispose();
        PollUntil(context, () => done);
        Assert.That(wrong, Is.Zero);
        Assert.That(() => disposed.Arm(Short), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Arming_again_moves_it()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        using AioTimer timer = context.CreateTimer(() => calls++);
        timer.Arm(TimeSpan.MaxValue);
        timer.Arm(TimeSpan.Zero);
        PollUntil(context, () => calls == 1);
        timer.Arm(TimeSpan.Zero);
        timer.Arm(TimeSpan.FromDays(1));
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(1));
    }

    [Test]
    public void Armed_by_its_own_callback_with_no_delay_it_lets_the_round_end()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        AioTimer? timer = null;
        timer = context.CreateTimer(() =>
        {
            calls++;
            timer!.Arm(TimeSpan.Zero);
        });
        timer.Arm(TimeSpan.Zero);
        for (int round = 1; round <= 20; round++)
        {
            context.Poll(blocking: true);
            Assert.That(calls, Is.LessThanOrEqualTo(round));
        }

        Assert.That(calls, Is.GreaterThan(1));
        timer.Dispose();
    }

    [Test]
    public void Another_thread_can_arm_it_while_the_loop_sleeps()
    {
        using IoThread thread = new(Options());
        using SemaphoreSlim fired = new(0);
        using AioTimer far = thread.Context.CreateTimer(() => { });
        far.Arm(TimeSpan.FromHours(1));
        using AioTimer timer = thread.Context.CreateTimer(() => fired.Release());
        for (int i = 0; i < 20; i++)
        {
            timer.Arm(TimeSpan.FromTicks(i * 100));
            Assert.That(fired.Wait(Patience), Is.True);
        }
    }

    [Test]
    public void A_due_timer_ends_busy_polling()
    {
        using AioContext context = CreateContext(pollMaxNs: (long)Patience.TotalNanoseconds * 10);
        using EventNotifier notifier = new();
        context.SetEventNotifier(notifier, new AioHandler { Read = () => { }, Poll = () => false });
        int calls = 0;
        using AioTimer timer = context.CreateTimer(() => calls++);
        for (int i = 1; i <= 12; i++) // the polling time doubles up to milliseconds
        {
            timer.Arm(Short);
            PollUntil(context, () => calls == i);
        }
    }
}
