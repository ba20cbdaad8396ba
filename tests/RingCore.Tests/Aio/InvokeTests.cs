using NUnit.Framework;
using RingCore.Aio;

namespace RingCore.Tests.Aio;

public sealed class InvokeTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [Test]
    public void It_runs_on_the_loop_and_waits()
    {
        using IoThread thread = new(Options());
        int where = 0;
        thread.Context.Invoke(() => where = Environment.CurrentManagedThreadId);
        Assert.That(where, Is.Not.Zero.And.Not.EqualTo(Environment.CurrentManagedThreadId));
    }

    [Test]
    public void On_the_loops_own_thread_it_runs_inline()
    {
        using AioContext context = CreateContext();
        List<string> order = [];
        context.ScheduleOneShot(() =>
        {
            context.Invoke(() => order.Add("invoked"));
            order.Add("after");
        });
        context.Poll(blocking: true);
        Assert.That(order, Is.EqualTo((string[])["invoked", "after"]));
    }

    [Test]
    public void Exceptions_come_back_and_the_loop_goes_on()
    {
        using IoThread thread = new(Options());
        Assert.That(
            () => thread.Context.Invoke(() => throw new InvalidDataException("on purpose")),
            Throws.InstanceOf<InvalidDataException>().With.Message.EqualTo("on purpose"));
        thread.Context.Invoke(() => { });
    }

    [Test]
    public void It_waits_for_a_loop_that_is_not_running_yet()
    {
        using AioContext context = CreateContext();
        bool ran = false;
        Thread caller = new(() => context.Invoke(() => ran = true));
        caller.Start();
        PollUntil(context, () => ran);
        caller.Join();
    }

    [Test]
    public void Disposing_the_context_releases_those_who_wait()
    {
        AioContext context = CreateContext();
        Exception? failure = null;
        using ManualResetEventSlim started = new();
        Thread caller = new(() =>
        {
            started.Set();
            try
            {
                context.Invoke(() => { });
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        caller.Start();
        started.Wait();
        context.Dispose();
        Assert.That(caller.Join(Patience), Is.True);
        Assert.That(failure, Is.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Current_is_the_innermost_running_context()
    {
        using AioContext outer = CreateContext();
        using AioContext inner = CreateContext();
        List<AioContext?> seen = [];
        inner.ScheduleOneShot(() => seen.Add(AioContext.Current));
        outer.ScheduleOneShot(() =>
        {
            seen.Add(AioContext.Current);
            inner.Poll(blocking: true);
            seen.Add(AioContext.Current);
        });
        outer.Poll(blocking: true);
        Assert.That(seen, Is.EqualTo((AioContext[])[outer, inner, outer]));
        Assert.That(AioContext.Current, Is.Null);
    }

    [Test]
    public void Two_threads_cannot_run_one_context()
    {
        using IoThread thread = new(Options());
        thread.Context.Invoke(() => { });
        Assert.That(() => thread.Context.Poll(blocking: false), Throws.InvalidOperationException);
        Assert.That(thread.Context.Dispose, Throws.InvalidOperationException);
    }

    [Test]
    public void Stop_ends_Run_also_when_it_comes_first()
    {
        using AioContext context = CreateContext();
        context.Stop();
        context.Run();
        int calls = 0;
        context.ScheduleOneShot(() =>
        {
            calls++;
            context.Stop();
        });
        context.Run();
        Assert.That(calls, Is.EqualTo(1));
    }
}
