using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace RingCore.Tests.Aio;

/// <summary>Runs a fixture once for each monitor; io_uring is left out where the kernel has or allows none.</summary>
[TestFixture(FdMonitorKind.Epoll)]
[TestFixture(FdMonitorKind.IoUring)]
public abstract class AioFixture(FdMonitorKind monitor)
{
    /// <summary>Far above what a loaded machine needs: it is only reached by a fault.</summary>
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    protected FdMonitorKind MonitorKind => monitor;

    [OneTimeSetUp]
    public void RequireMonitor()
    {
        if (monitor == FdMonitorKind.IoUring && IoUring.UnavailableErrno != 0)
        {
            Assert.Ignore($"io_uring: {Errno.Name(IoUring.UnavailableErrno)}");
        }
    }

    protected AioContext CreateContext(long pollMaxNs = 0) => new(Options(pollMaxNs));

    protected AioContextOptions Options(long pollMaxNs = 0) =>
        new() { Name = "test", Monitor = monitor, PollMaxNs = pollMaxNs };

    /// <summary>Runs rounds until the condition holds; a timer keeps them from sleeping past the bound.</summary>
    protected static void PollUntil(AioContext context, Func<bool> condition)
    {
        long end = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        using AioTimer alarm = context.CreateTimer(() => { });
        alarm.Arm(Patience);
        while (!condition())
        {
            Assert.That(Environment.TickCount64, Is.LessThan(end), "the condition never held");
            context.Poll(blocking: true);
        }
    }

    /// <summary>A few rounds that do not sleep: for what must not happen.</summary>
    protected static void PollAFew(AioContext context)
    {
        for (int i = 0; i < 5; i++)
        {
            context.Poll(blocking: false);
        }
    }
}
