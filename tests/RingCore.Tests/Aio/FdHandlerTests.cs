using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace RingCore.Tests.Aio;

public sealed class FdHandlerTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [Test]
    public void A_signalled_notifier_calls_its_handler_once()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Read = () => calls += notifier.TestAndClear() ? 1 : 0 });
        notifier.Signal();
        PollUntil(context, () => calls > 0);
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(1));
    }

    [Test]
    public void Poll_tells_whether_there_was_progress()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        context.SetEventNotifier(notifier, new AioHandler { Read = () => notifier.TestAndClear() });
        Assert.That(context.Poll(blocking: false), Is.False);
        notifier.Signal();
        Assert.That(context.Poll(blocking: false), Is.True);
        Assert.That(context.Poll(blocking: false), Is.False);
    }

    [Test]
    public void What_is_not_read_is_reported_again()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Read = () => calls++ });
        notifier.Signal();
        PollUntil(context, () => calls >= 3);
    }

    [Test]
    public void Readable_and_writable_call_their_own_handlers()
    {
        using AioContext context = CreateContext();
        using Pipe pipe = new();
        int reads = 0;
        int writes = 0;
        context.SetFdHandler(pipe.ReadEnd, new AioHandler { Read = () => reads += pipe.ReadEnd.Read(new byte[8]) });
        context.SetFdHandler(pipe.WriteEnd, new AioHandler
        {
            Write = () =>
            {
                writes++;
                pipe.WriteEnd.Write([1, 2, 3]);
                context.SetFdHandler(pipe.WriteEnd, null);
            },
        });
        PollUntil(context, () => reads == 3);
        Assert.That(writes, Is.EqualTo(1));
    }

    [Test]
    public void Hang_up_is_reported_as_readable()
    {
        using AioContext context = CreateContext();
        using Pipe pipe = new();
        int end = -1;
        context.SetFdHandler(pipe.ReadEnd, new AioHandler { Read = () => end = pipe.ReadEnd.Read(new byte[8]) });
        PollAFew(context);
        pipe.WriteEnd.Dispose();
        PollUntil(context, () => end == 0);
    }

    [Test]
    public void A_handler_that_deletes_another_ready_one_keeps_it_from_running()
    {
        using AioContext context = CreateContext();
        using EventNotifier first = new();
        using EventNotifier second = new();
        int calls = 0;
        void Serve(EventNotifier own, EventNotifier other)
        {
            calls++;
            own.TestAndClear();
            context.SetEventNotifier(other, null);
            other.Dispose();
        }

        context.SetEventNotifier(first, new AioHandler { Read = () => Serve(first, second) });
        context.SetEventNotifier(second, new AioHandler { Read = () => Serve(second, first) });
        first.Signal();
        second.Signal();
        PollUntil(context, () => calls > 0);
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(1));
    }

    [Test]
    public void A_handler_can_delete_itself_before_its_write_half_runs()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new(); // an eventfd is readable and writable at once
        int reads = 0;
        int writes = 0;
        context.SetEventNotifier(notifier, new AioHandler
        {
            Read = () =>
            {
                reads++;
                context.SetEventNotifier(notifier, null);
            },
            Write = () => writes++,
        });
        notifier.Signal();
        PollUntil(context, () => reads > 0);
        PollAFew(context);
        Assert.That((reads, writes), Is.EqualTo((1, 0)));
    }

    [Test]
    public void A_replaced_handler_gives_way_at_once()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        List<string> calls = [];
        AioHandler second = new()
        {
            Read = () =>
            {
                calls.Add("second");
                notifier.TestAndClear();
            },
        };
        context.SetEventNotifier(notifier, new AioHandler
        {
            Read = () =>
            {
                calls.Add("first");
                context.SetEventNotifier(notifier, second);
            },
        });
        notifier.Signal();
        PollUntil(context, () => calls.Contains("second"));
        PollAFew(context);
        Assert.That(calls, Is.EqualTo((string[])["first", "second"]));
    }

    [Test]
    public void Replacing_changes_what_is_watched_for()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int reads = 0;
        int writes = 0;
        AioHandler reader = new() { Read = () => reads += notifier.TestAndClear() ? 1 : 0 };
        AioHandler writer = new() { Write = () => writes++ };
        context.SetEventNotifier(notifier, reader);
        PollAFew(context);
        Assert.That((reads, writes), Is.EqualTo((0, 0)));
        context.SetEventNotifier(notifier, writer);
        PollUntil(context, () => writes > 0);
        context.SetEventNotifier(notifier, reader);
        PollAFew(context);
        int before = writes;
        notifier.Signal();
        PollUntil(context, () => reads == 1);
        Assert.That(writes, Is.EqualTo(before));
    }

    [Test]
    public void Other_threads_add_and_delete_while_the_loop_sleeps()
    {
        using IoThread thread = new(Options());
        using EventNotifier notifier = new();
        using SemaphoreSlim called = new(0);
        for (int i = 0; i < 50; i++)
        {
            notifier.Signal();
            thread.Context.SetEventNotifier(notifier, new AioHandler
            {
                Read = () =>
                {
                    notifier.TestAndClear();
                    called.Release();
                },
            });
            Assert.That(called.Wait(Patience), Is.True);
            thread.Context.SetEventNotifier(notifier, null);
        }

        thread.Context.Invoke(() => { });
        notifier.Signal();
        thread.Context.Invoke(() => { });
        Assert.That(called.CurrentCount, Is.Zero);
    }

    [Test]
    public void A_handle_disposed_after_deletion_elsewhere_stays_open_until_the_loop_let_go()
    {
        using IoThread thread = new(Options());
        for (int i = 0; i < 50; i++)
        {
            using Pipe pipe = new();
            thread.Context.SetFdHandler(pipe.ReadEnd, new AioHandler { Read = () => pipe.ReadEnd.Read(new byte[8]) });
            if (i % 2 == 0)
            {
                thread.Context.Invoke(() => { });
            }

            pipe.WriteEnd.Write([1]);
            thread.Context.SetFdHandler(pipe.ReadEnd, null);
            thread.Context.Invoke(() => { });
            pipe.ReadEnd.Dispose();
        }
    }

    [Test]
    public void A_descriptor_closes_for_its_peer_when_it_is_deleted_and_disposed()
    {
        using AioContext context = CreateContext();
        using Pipe pipe = new();
        using EventNotifier go = new();
        bool deleted = false;
        context.SetFdHandler(pipe.ReadEnd, new AioHandler { Read = () => { } });
        context.SetEventNotifier(go, new AioHandler
        {
            Read = () =>
            {
                go.TestAndClear();
                context.SetFdHandler(pipe.ReadEnd, null);
                pipe.ReadEnd.Dispose();
                deleted = true;
                Assert.That(pipe.WriteEnd.Write([1]), Is.EqualTo(-Errno.EPIPE), "the kernel still holds the read end");
            },
        });
        PollAFew(context);
        go.Signal();
        PollUntil(context, () => deleted);
    }

    [Test]
    public void A_number_that_is_used_again_belongs_to_the_new_descriptor()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        for (int i = 0; i < 100; i++)
        {
            using EventNotifier notifier = new(); // takes the number that the one before had
            int own = 0;
            context.SetEventNotifier(notifier, new AioHandler
            {
                Read = () =>
                {
                    calls++;
                    own++;
                    context.SetEventNotifier(notifier, null);
                },
            });
            notifier.Signal();
            PollUntil(context, () => own == 1);
        }

        Assert.That(calls, Is.EqualTo(100));
    }

    [Test]
    public void Many_descriptors_are_all_served()
    {
        const int Count = 300; // more than the rings have entries
        using AioContext context = CreateContext();
        EventNotifier[] notifiers = [.. Enumerable.Range(0, Count).Select(_ => new EventNotifier())];
        int[] calls = new int[Count];
        for (int i = 0; i < Count; i++)
        {
            int index = i;
            context.SetEventNotifier(notifiers[i], new AioHandler
            {
                Read = () => calls[index] += notifiers[index].TestAndClear() ? 1 : 0,
            });
        }

        for (int round = 1; round <= 3; round++)
        {
            foreach (EventNotifier notifier in notifiers)
            {
                notifier.Signal();
            }

            PollUntil(context, () => calls.All(c => c == round));
        }

        context.ScheduleOneShot(() =>
        {
            foreach (EventNotifier notifier in notifiers)
            {
                context.SetEventNotifier(notifier, null);
            }
        });
        PollAFew(context);
        foreach (EventNotifier notifier in notifiers)
        {
            notifier.Dispose();
        }
    }

    [Test]
    public void A_regular_file_cannot_be_watched_by_epoll()
    {
        using AioContext context = new(new AioContextOptions { Monitor = FdMonitorKind.Epoll });
        using FileDescriptor file = FileDescriptor.Open("/proc/self/exe", OpenFlags.ReadOnly);
        context.SetFdHandler(file, new AioHandler { Read = () => { } });
        Assert.That(() => PollAFew(context), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EPERM));
    }

    [Test]
    public void Of_exclusive_handlers_one_wakes_up_for_one_event()
    {
        using EventNotifier shared = new();
        IoThread[] threads = [new(Options()), new(Options()), new(Options())];
        int calls = 0;
        foreach (IoThread thread in threads)
        {
            thread.Context.SetEventNotifier(shared, new AioHandler
            {
                IsExclusive = true,
                Read = () => _ = shared.TestAndClear() ? Interlocked.Increment(ref calls) : 0,
            });
            thread.Context.Invoke(() => { });
        }

        for (int i = 1; i <= 200; i++)
        {
            shared.Signal();
            Assert.That(SpinWait.SpinUntil(() => Volatile.Read(ref calls) == i, Patience), Is.True, $"event {i} of 200");
        }

        foreach (IoThread thread in threads)
        {
            thread.Dispose();
        }
    }

    [Test]
    public void With_epoll_a_busy_context_leaves_an_exclusive_event_to_one_that_sleeps()
    {
        AioContextOptions options = new() { Monitor = FdMonitorKind.Epoll };
        using EventNotifier shared = new();
        using SemaphoreSlim served = new(0);
        using ManualResetEventSlim release = new();
        using IoThread busy = new(options);
        using IoThread idle = new(options);
        AioHandler handler = new() { IsExclusive = true, Read = () => _ = shared.TestAndClear() ? served.Release() : 0 };
        busy.Context.SetEventNotifier(shared, handler); // the first in the queue
        busy.Context.Invoke(() => { });
        idle.Context.SetEventNotifier(shared, handler);
        idle.Context.Invoke(() => { });
        using ManualResetEventSlim inside = new();
        busy.Context.ScheduleOneShot(() =>
        {
            inside.Set();
            release.Wait();
        });
        inside.Wait();
        shared.Signal();
        bool wasServed = served.Wait(Patience);
        release.Set();
        Assert.That(wasServed, Is.True);
    }

    [Test]
    public void With_epoll_contexts_take_turns_if_each_leaves_the_next_event_to_the_others()
    {
        AioContextOptions options = new() { Monitor = FdMonitorKind.Epoll };
        using EventNotifier shared = new();
        using SemaphoreSlim served = new(0);
        IoThread[] threads = [new(options), new(options), new(options)];
        List<int> order = [];
        for (int i = 0; i < threads.Length; i++)
        {
            int index = i;
            AioContext context = threads[i].Context;
            context.SetEventNotifier(shared, new AioHandler
            {
                IsExclusive = true,
                Read = () =>
                {
                    if (shared.TestAndClear())
                    {
                        order.Add(index);
                        context.YieldNextEvent(shared.ReadDescriptor);
                        served.Release();
                    }
                },
            });
            context.Invoke(() => { });
        }

        for (int i = 0; i < 30; i++)
        {
            foreach (IoThread thread in threads)
            {
                Assert.That(SpinWait.SpinUntil(() => TaskState.IsAsleep(thread.ThreadId), Patience), Is.True);
            }

            shared.Signal();
            Assert.That(served.Wait(Patience), Is.True);
        }

        // One that only just falls asleep may miss its turn.
        Assert.That(order.GroupBy(i => i).Select(g => g.Count()), Has.Exactly(3).InRange(6, 14), string.Join(' ', order));
        foreach (IoThread thread in threads)
        {
            thread.Dispose();
        }
    }

    [Test]
    public void Leaving_the_next_event_to_others_loses_none()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler
        {
            IsExclusive = true,
            Read = () =>
            {
                calls += notifier.TestAndClear() ? 1 : 0;
                notifier.Signal();
                context.YieldNextEvent(notifier.ReadDescriptor);
            },
        });
        notifier.Signal();
        PollUntil(context, () => calls == 20);
        context.ScheduleOneShot(() =>
        {
            context.SetEventNotifier(notifier, null);
            context.YieldNextEvent(notifier.ReadDescriptor); // nobody's
        });
        PollAFew(context);
        int last = calls;
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(last));
    }

    [Test]
    public void An_exclusive_handler_can_be_replaced()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int reads = 0;
        int writes = 0;
        context.SetEventNotifier(notifier, new AioHandler { IsExclusive = true, Read = () => { } });
        PollAFew(context);
        context.SetEventNotifier(notifier, new AioHandler { IsExclusive = true, Write = () => writes++ });
        PollUntil(context, () => writes > 0);
        context.SetEventNotifier(notifier, new AioHandler { Read = () => reads += notifier.TestAndClear() ? 1 : 0 });
        notifier.Signal();
        PollUntil(context, () => reads == 1);
    }

    [Test]
    public void An_exclusive_handler_cannot_be_external()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        AioHandler handler = new() { IsExclusive = true, IsExternal = true, Read = () => { } };
        Assert.That(() => context.SetEventNotifier(notifier, handler), Throws.ArgumentException);
    }

    [Test]
    public void A_nested_round_serves_what_the_outer_one_had_found()
    {
        using AioContext context = CreateContext();
        using EventNotifier first = new();
        using EventNotifier second = new();
        int calls = 0;
        void Serve(EventNotifier own)
        {
            own.TestAndClear();
            calls++;
            if (calls == 1)
            {
                PollUntil(context, () => calls == 2);
            }
        }

        context.SetEventNotifier(first, new AioHandler { Read = () => Serve(first) });
        context.SetEventNotifier(second, new AioHandler { Read = () => Serve(second) });
        first.Signal();
        second.Signal();
        PollUntil(context, () => calls == 2);
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(2));
    }

    [Test]
    public void An_exception_comes_out_of_Poll_and_the_context_goes_on()
    {
        using AioContext context = CreateContext();
        using EventNotifier bad = new();
        using EventNotifier good = new();
        int calls = 0;
        context.SetEventNotifier(bad, new AioHandler
        {
            Read = () =>
            {
                bad.TestAndClear();
                throw new IOException("on purpose");
            },
        });
        context.SetEventNotifier(good, new AioHandler { Read = () => calls += good.TestAndClear() ? 1 : 0 });
        bad.Signal();
        good.Signal();
        Assert.That(() => PollUntil(context, () => false), Throws.InstanceOf<IOException>());
        Assert.That(AioContext.Current, Is.Null);
        PollUntil(context, () => calls == 1);
    }

    [Test]
    public void A_context_may_move_to_another_thread()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Read = () => calls += notifier.TestAndClear() ? 1 : 0 });
        for (int i = 1; i <= 3; i++)
        {
            notifier.Signal();
            OwnThread.Run(() => PollUntil(context, () => calls == i));
        }
    }
}
