using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace RingCore.Tests.Aio;

/// <summary>Handlers that need not clear their notifier: each signal is told once, and none is lost.</summary>
public sealed class NotifiedTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [TestCase(false)]
    [TestCase(true)]
    public void Each_signal_is_told_once(bool usePipe)
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new(usePipe);
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => calls++ });
        PollAFew(context);
        Assert.That(calls, Is.Zero);
        for (int wanted = 1; wanted <= 5; wanted++)
        {
            notifier.Signal();
            notifier.Signal();
            PollUntil(context, () => calls == wanted);
            PollAFew(context);
            Assert.That(calls, Is.EqualTo(wanted), "two signals at once are told once");
        }
    }

    [Test]
    public void A_signal_before_the_handler_is_set_counts()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        notifier.Signal();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => calls++ });
        PollUntil(context, () => calls == 1);
    }

    [TestCase(0)]
    [TestCase(100_000)]
    public void No_kick_is_lost_on_detach(long pollMaxNs)
    {
        // Signals come from another thread at any time; each is either delivered, or found by the look after the detaching.
        const int Kicks = 3000;
        using IoThread thread = new(Options(pollMaxNs));
        using EventNotifier notifier = new();
        using SemaphoreSlim served = new(0);
        AioHandler handler = new()
        {
            Notified = () => served.Release(),
            Poll = pollMaxNs == 0 ? null : static () => false,
        };
        using CancellationTokenSource stop = new();
        Thread toggler = new(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                thread.Context.Invoke(() => thread.Context.SetEventNotifier(notifier, handler));
                thread.Context.Invoke(() =>
                {
                    thread.Context.SetEventNotifier(notifier, null);
                    if (notifier.TestAndClear())
                    {
                        served.Release();
                    }
                });
            }
        });
        toggler.Start();
        try
        {
            for (int i = 0; i < Kicks; i++)
            {
                notifier.Signal();
                Assert.That(served.Wait(Patience), Is.True, $"kick {i} was lost");
            }
        }
        finally
        {
            stop.Cancel();
            toggler.Join();
        }
    }

    [Test]
    public void A_signal_taken_while_external_handlers_are_disabled_is_delivered_later()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { IsExternal = true, Notified = () => calls++ });
        PollAFew(context);
        context.DisableExternal();
        notifier.Signal();
        PollAFew(context);
        Assert.That(calls, Is.Zero);
        context.EnableExternal();
        PollUntil(context, () => calls == 1);
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(1));
    }

    [Test]
    public void A_signal_taken_while_external_handlers_are_disabled_survives_a_detach()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        context.SetEventNotifier(notifier, new AioHandler { IsExternal = true, Notified = () => Assert.Fail("held") });
        PollAFew(context);
        context.DisableExternal();
        notifier.Signal();
        PollAFew(context);
        Detach(context, notifier);
        Assert.That(notifier.TestAndClear(), Is.True);
        context.EnableExternal();
        PollAFew(context);
    }

    [Test]
    public void A_signal_reported_and_not_yet_delivered_goes_to_the_next_handler()
    {
        using AioContext context = CreateContext();
        using EventNotifier first = new();
        using EventNotifier second = new();
        int byNew = 0;

        // Both are ready in one round; whichever runs first replaces the other's handler.
        void Served(EventNotifier other)
        {
            AioHandler reader = new() { Read = () => byNew += other.TestAndClear() ? 1 : 0 };
            context.SetEventNotifier(other, reader);
        }

        context.SetEventNotifier(first, new AioHandler { Notified = () => Served(second) });
        context.SetEventNotifier(second, new AioHandler { Notified = () => Served(first) });
        PollAFew(context);
        first.Signal();
        second.Signal();
        PollUntil(context, () => byNew == 1);
    }

    [Test]
    public void A_signal_between_two_handlers_goes_to_the_second()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int first = 0;
        int second = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => first++ });
        PollAFew(context);
        context.ScheduleOneShot(() =>
        {
            notifier.Signal();
            context.SetEventNotifier(notifier, new AioHandler { Notified = () => second++ });
        });
        PollUntil(context, () => second == 1);
        PollAFew(context);
        Assert.That((first, second), Is.EqualTo((0, 1)));
        notifier.Signal();
        PollUntil(context, () => second == 2);
    }

    [Test]
    public void Signals_while_external_handlers_are_disabled_are_told_once_afterwards()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { IsExternal = true, Notified = () => calls++ });
        PollAFew(context);
        for (int wanted = 1; wanted <= 3; wanted++)
        {
            context.DisableExternal();
            for (int i = 0; i < 3; i++)
            {
                notifier.Signal();
                PollAFew(context);
            }

            context.EnableExternal();
            PollUntil(context, () => calls == wanted);
            PollAFew(context);
            Assert.That(calls, Is.EqualTo(wanted));
        }
    }

    [Test]
    public void A_signal_right_before_the_handler_goes_leaves_no_watch_behind()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => Assert.Fail("deleted") });
        PollAFew(context);
        context.ScheduleOneShot(() =>
        {
            notifier.Signal();
            context.SetEventNotifier(notifier, null);
        });
        PollAFew(context);

        const int Signals = 50;
        bool isOver = false;
        using AioTimer timer = context.CreateTimer(() => isOver = true);
        timer.Arm(TimeSpan.FromMilliseconds(4 * Signals));
        Thread signaller = new(() =>
        {
            for (int i = 0; i < Signals; i++)
            {
                notifier.Signal();
                Thread.Sleep(1);
            }
        });
        signaller.Start();
        long rounds = context.Statistics.Rounds;
        PollUntil(context, () => isOver);
        signaller.Join();
        Assert.That(context.Statistics.Rounds - rounds, Is.LessThan(Signals / 2), "nobody's signals wake nobody");
    }

    [Test]
    public void A_signal_right_before_the_next_handler_does_not_keep_it_from_being_told_again_and_again()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int reads = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => { } });
        PollAFew(context);
        context.ScheduleOneShot(() =>
        {
            notifier.Signal();
            context.SetEventNotifier(notifier, new AioHandler { Read = () => reads++ });
        });
        PollUntil(context, () => reads == 10);
    }

    [Test]
    public void A_context_moves_to_another_thread_with_its_signals()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => calls++ });
        for (int wanted = 1; wanted <= 10; wanted++)
        {
            Thread mover = new(() => PollAFew(context));
            mover.Start();
            notifier.Signal();
            mover.Join();
            PollUntil(context, () => calls >= wanted);
            calls = wanted;
        }
    }

    [Test]
    public void What_was_taken_is_back_when_the_context_is_disposed()
    {
        using EventNotifier notifier = new();
        using (AioContext context = CreateContext())
        {
            context.SetEventNotifier(notifier, new AioHandler { IsExternal = true, Notified = () => { } });
            context.DisableExternal();
            PollAFew(context);
            notifier.Signal();
            PollAFew(context);
        }

        Assert.That(notifier.TestAndClear(), Is.True);
    }

    [Test]
    public void A_peer_that_makes_the_counter_blocking_does_not_block_us()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        using FileDescriptor peers = notifier.WriteDescriptor.Duplicate();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => calls++ });
        PollAFew(context);
        peers.SetNonBlocking(false);
        Assert.That(notifier.TestAndClear(), Is.False);
        PollAFew(context);
        notifier.Signal();
        PollUntil(context, () => calls == 1);
        Detach(context, notifier);
        Assert.That(notifier.TestAndClear, Throws.Nothing);
        Assert.That(notifier.TestAndClear(), Is.False);
    }

    [Test]
    public void It_stands_alone()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        AioHandler notified = new() { Notified = () => { } };
        Assert.That(() => context.SetFdHandler(notifier.ReadDescriptor, notified), Throws.ArgumentException);
        AioHandler both = new() { Notified = () => { }, Read = () => { } };
        Assert.That(() => context.SetEventNotifier(notifier, both), Throws.ArgumentException);
        AioHandler exclusive = new() { Notified = () => { }, IsExclusive = true };
        Assert.That(() => context.SetEventNotifier(notifier, exclusive), Throws.ArgumentException);
    }

    [Test]
    public void Wake_ups_allocate_nothing()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => calls++ });
        void Rounds(int count)
        {
            for (int wanted = calls + count; calls < wanted;)
            {
                notifier.Signal();
                context.Poll(blocking: true);
            }
        }

        Rounds(100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Rounds(500);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    private static void Detach(AioContext context, EventNotifier notifier)
    {
        context.ScheduleOneShot(() => context.SetEventNotifier(notifier, null));
        context.Poll(blocking: false);
    }
}
