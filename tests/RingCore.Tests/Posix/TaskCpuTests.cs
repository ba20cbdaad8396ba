using RingCore.Posix;

namespace RingCore.Tests.Posix;

/// <summary>Where a thread ran last, as the kernel says.</summary>
[TestFixture]
public sealed class TaskCpuTests
{
    [Test]
    public void A_pinned_thread_is_found_on_its_cpu()
    {
        using TaskCpu reader = new();
        foreach (int cpu in ThreadScheduling.GetAffinity())
        {
            int found = -1;
            OwnThread.Run(() =>
            {
                Assert.That(ThreadScheduling.TrySetAffinity([cpu]), Is.Zero);
                Thread.Yield();
                found = reader.Of((uint)ThreadScheduling.CurrentThreadId);
            });
            Assert.That(found, Is.EqualTo(cpu));
        }
    }

    [Test]
    public void A_thread_that_does_not_exist_has_none()
    {
        using TaskCpu reader = new();
        Assert.That(reader.Of(0), Is.EqualTo(-1));
        Assert.That(reader.Of(int.MaxValue), Is.EqualTo(-1));
    }
}
