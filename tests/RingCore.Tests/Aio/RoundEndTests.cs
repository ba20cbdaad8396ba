using NUnit.Framework;
using RingCore.Aio;

namespace RingCore.Tests.Aio;

public sealed class RoundEndTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [Test]
    public void It_runs_once_a_round_after_everything_else()
    {
        using AioContext context = CreateContext();
        using EventNotifier notifier = new();
        List<string> order = [];
        context.AddRoundEnd(() => order.Add("end"));
        context.SetEventNotifier(notifier, new AioHandler
        {
            Read = () =>
            {
                notifier.TestAndClear();
                order.Add("handler");
                context.ScheduleOneShot(() => order.Add("bottom half"));
            },
        });
        PollAFew(context);
        order.Clear();
        notifier.Signal();
        context.Poll(blocking: true);
        Assert.That(order, Is.EqualTo((string[])["handler", "bottom half", "end"]));
    }

    [Test]
    public void A_bottom_half_that_it_schedules_runs_without_sleep()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        using BottomHalf bottomHalf = context.CreateBottomHalf(() => calls++);
        bool schedule = true;
        context.AddRoundEnd(() =>
        {
            if (schedule)
            {
                bottomHalf.Schedule();
                schedule = false;
            }
        });
        context.Poll(blocking: false);
        context.Poll(blocking: true);
        Assert.That((calls, context.Statistics.Sleeps), Is.EqualTo((1, 0L)));
    }

    [Test]
    public void It_can_be_removed_from_inside()
    {
        using AioContext context = CreateContext();
        int calls = 0;
        void End()
        {
            calls++;
            context.RemoveRoundEnd(End);
        }

        context.AddRoundEnd(End);
        PollAFew(context);
        Assert.That(calls, Is.EqualTo(1));
    }
}
