using RingCore.Posix;
using RingCore.Tests.Hosting;

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

    [Test]
    public void A_thread_that_cannot_be_looked_at_for_any_reason_has_none()
    {
        using ScratchFolder proc = new();
        File.WriteAllText(proc["7"], ""); // ENOTDIR: none of the usual reasons
        File.CreateSymbolicLink(proc["8"], proc["8"]); // ELOOP
        using TaskCpu reader = new(Path.GetDirectoryName(proc["7"])!);
        Assert.That((reader.Of(7), reader.Of(8)), Is.EqualTo((-1, -1)));
    }
}
