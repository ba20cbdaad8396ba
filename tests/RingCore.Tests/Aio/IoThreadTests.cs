using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace RingCore.Tests.Aio;

public sealed class IoThreadTests(FdMonitorKind monitor) : AioFixture(monitor)
{
    [Test]
    public void It_has_its_name_its_id_and_runs_as_batch()
    {
        using IoThread thread = new(Options());
        string? name = null;
        int id = 0;
        bool isBatch = false;
        thread.Context.Invoke(() =>
        {
            name = Thread.CurrentThread.Name;
            id = ThreadScheduling.CurrentThreadId;
            isBatch = ThreadScheduling.IsBatch();
        });
        Assert.That((name, id, isBatch), Is.EqualTo(("test", thread.ThreadId, true)));
    }

    [Test]
    public void Dispose_runs_what_was_scheduled_before_and_ends_the_thread()
    {
        for (int i = 0; i < 50; i++)
        {
            int calls = 0;
            Thread? inside = null;
            IoThread thread = new(Options());
            thread.Context.Invoke(() => inside = Thread.CurrentThread);
            thread.Context.ScheduleOneShot(() => calls++);
            thread.Dispose();
            thread.Dispose();
            Assert.That(calls, Is.EqualTo(1));
            Assert.That(inside!.IsAlive, Is.False);
        }
    }

    [Test]
    public void Dispose_on_the_thread_itself_is_refused()
    {
        using IoThread thread = new(Options());
        Assert.That(() => thread.Context.Invoke(thread.Dispose), Throws.InvalidOperationException);
    }

    [Test]
    public void The_monitor_in_use_is_the_one_asked_for()
    {
        using IoThread thread = new(Options());
        thread.Context.Invoke(() => { });
        Assert.That(thread.Context.Monitor, Is.EqualTo(MonitorKind));
    }
}
