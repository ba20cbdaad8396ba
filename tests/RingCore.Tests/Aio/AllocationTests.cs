using NUnit.Framework;
using RingCore.Aio;

namespace RingCore.Tests.Aio;

public sealed class AllocationTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [TestCase(0)]
    [TestCase(50_000)]
    public void Rounds_allocate_nothing(long pollMaxNs)
    {
        using AioContext context = CreateContext(pollMaxNs);
        using EventNotifier notifier = new();
        int calls = 0;
        int fired = 0;
        int ran = 0;
        using BottomHalf bottomHalf = context.CreateBottomHalf(() => ran++);
        using BottomHalf idle = context.CreateBottomHalf(() => { });
        using AioTimer timer = context.CreateTimer(() => fired++);
        context.AddRoundEnd(() => { });
        context.SetEventNotifier(notifier, new AioHandler
        {
            Poll = () => false,
            PollBegin = () => { },
            PollEnd = () => { },
            Read = () =>
            {
                notifier.TestAndClear();
                calls++;
                bottomHalf.Schedule();
                timer.Arm(TimeSpan.Zero);
            },
        });
        void Round()
        {
            notifier.Signal();
            int wanted = calls + 1;
            while (calls < wanted)
            {
                context.Poll(blocking: true);
            }

            idle.ScheduleIdle();
            context.Notify();
            context.Poll(blocking: true);
            timer.Arm(TimeSpan.FromTicks(10));
            context.Poll(blocking: true);
            context.Poll(blocking: false);
        }

        for (int i = 0; i < 100; i++)
        {
            Round();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 500; i++)
        {
            Round();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That((calls, ran), Is.EqualTo((600, 600)));
    }

    [Test]
    public void Scheduling_from_another_thread_allocates_nothing()
    {
        using IoThread thread = new(Options());
        using BottomHalf bottomHalf = thread.Context.CreateBottomHalf(() => { });
        for (int i = 0; i < 100; i++)
        {
            bottomHalf.Schedule();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            bottomHalf.Schedule();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }
}
