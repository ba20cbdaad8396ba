using NUnit.Framework;
using RingCore.Aio;

namespace RingCore.Tests.Aio;

public sealed class ExternalTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [Test]
    public void External_handlers_wait_until_the_last_enable()
    {
        using AioContext context = CreateContext();
        using EventNotifier outside = new();
        using EventNotifier inside = new();
        int external = 0;
        int own = 0;
        context.SetEventNotifier(outside, new AioHandler
        {
            IsExternal = true,
            Read = () => external += outside.TestAndClear() ? 1 : 0,
        });
        context.SetEventNotifier(inside, new AioHandler { Read = () => own += inside.TestAndClear() ? 1 : 0 });
        context.DisableExternal();
        context.DisableExternal();
        outside.Signal();
        inside.Signal();
        PollUntil(context, () => own == 1);
        PollAFew(context);
        context.EnableExternal();
        PollAFew(context);
        Assert.That(external, Is.Zero);
        context.EnableExternal();
        PollUntil(context, () => external == 1);
    }

    [Test]
    public void The_loop_sleeps_while_a_disabled_descriptor_is_ready()
    {
        using AioContext context = CreateContext();
        using EventNotifier outside = new();
        int external = 0;
        context.SetEventNotifier(outside, new AioHandler
        {
            IsExternal = true,
            Read = () => external += outside.TestAndClear() ? 1 : 0,
        });
        context.DisableExternal();
        outside.Signal();
        int fired = 0;
        using AioTimer timer = context.CreateTimer(() => fired++);
        timer.Arm(TimeSpan.FromMilliseconds(20));
        PollUntil(context, () => fired == 1);
        Assert.That(context.Statistics.Rounds, Is.LessThan(20));
        context.EnableExternal();
        PollUntil(context, () => external == 1);
    }

    [Test]
    public void Disabled_by_a_handler_of_the_same_round_it_does_not_run_but_is_not_lost()
    {
        using AioContext context = CreateContext();
        using EventNotifier first = new();
        using EventNotifier second = new();
        List<string> calls = [];
        void Serve(EventNotifier own)
        {
            own.TestAndClear();
            calls.Add("external");
            if (calls.Count == 1)
            {
                context.DisableExternal();
            }
        }

        context.SetEventNotifier(first, new AioHandler { IsExternal = true, Read = () => Serve(first) });
        context.SetEventNotifier(second, new AioHandler { IsExternal = true, Read = () => Serve(second) });
        first.Signal();
        second.Signal();
        PollUntil(context, () => calls.Count > 0);
        PollAFew(context);
        Assert.That(calls, Has.Count.EqualTo(1));
        context.EnableExternal();
        PollUntil(context, () => calls.Count == 2);
    }

    [Test]
    public void Another_thread_can_enable_while_the_loop_sleeps()
    {
        using IoThread thread = new(Options());
        using EventNotifier outside = new();
        using SemaphoreSlim called = new(0);
        bool isDisabled = false;
        int wrong = 0;
        thread.Context.SetEventNotifier(outside, new AioHandler
        {
            IsExternal = true,
            Read = () =>
            {
                wrong += Volatile.Read(ref isDisabled) ? 1 : 0;
                outside.TestAndClear();
                called.Release();
            },
        });
        for (int i = 0; i < 200; i++)
        {
            thread.Context.Invoke(thread.Context.DisableExternal);
            Volatile.Write(ref isDisabled, true);
            outside.Signal();
            if (i % 2 == 0)
            {
                thread.Context.Invoke(() => { });
            }

            Volatile.Write(ref isDisabled, false);
            thread.Context.EnableExternal();
            Assert.That(called.Wait(Patience), Is.True);
        }

        Assert.That(wrong, Is.Zero);
        thread.Context.SetEventNotifier(outside, null);
        thread.Context.Invoke(() => { });
    }

    [Test]
    public void Work_that_polling_found_before_disabling_is_found_again()
    {
        using AioContext context = CreateContext(pollMaxNs: 1_000_000);
        using EventNotifier outside = new();
        using EventNotifier inside = new();
        bool work = false;
        int done = 0;
        bool disable = false;
        context.SetEventNotifier(inside, new AioHandler
        {
            Poll = () => disable,
            PollReady = () =>
            {
                disable = false;
                context.DisableExternal();
            },
        });
        context.SetEventNotifier(outside, new AioHandler
        {
            IsExternal = true,
            Poll = () => work,
            PollReady = () =>
            {
                work = false;
                done++;
            },
        });
        PollAFew(context);
        work = true;
        disable = true;
        context.Poll(blocking: true);
        PollAFew(context);
        Assert.That(done, Is.Zero);
        context.PollMaxNs = 0; // nothing but the check that disabling left behind may find it
        context.EnableExternal();
        PollUntil(context, () => done == 1);
    }

    [Test]
    public void A_handler_deleted_or_replaced_while_disabled_stays_so()
    {
        using AioContext context = CreateContext();
        using EventNotifier outside = new();
        int old = 0;
        int replaced = 0;
        context.SetEventNotifier(outside, new AioHandler { IsExternal = true, Read = () => old++ });
        context.DisableExternal();
        outside.Signal();
        PollAFew(context);
        context.SetEventNotifier(outside, new AioHandler
        {
            IsExternal = true,
            Read = () =>
            {
                replaced++;
                context.SetEventNotifier(outside, null);
            },
        });
        PollAFew(context);
        Assert.That((old, replaced), Is.EqualTo((0, 0)));
        context.EnableExternal();
        PollUntil(context, () => replaced == 1);
        PollAFew(context);
        Assert.That((old, replaced), Is.EqualTo((0, 1)));
    }

    [Test]
    public void Enable_without_disable_is_refused()
    {
        using AioContext context = CreateContext();
        Assert.That(context.EnableExternal, Throws.InvalidOperationException);
        context.DisableExternal();
        context.EnableExternal();
    }
}
