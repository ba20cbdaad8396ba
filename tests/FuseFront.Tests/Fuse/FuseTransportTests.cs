using FuseFront.Fuse;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>Which way requests come, and what the user is told when it is not the wanted one.</summary>
[NonParallelizable]
public sealed class FuseTransportTests
{
    [Test]
    public void Each_CPU_has_one_channel()
    {
        for (int channels = 1; channels <= 5; channels++)
        {
            int[] queues = [.. Enumerable.Range(0, channels).Select(i => FuseUringSupport.QueuesOf(i, channels))];
            Assert.That(queues.Sum(), Is.EqualTo(CpuTopology.PossibleCount));
            Assert.That(queues.Max() - queues.Min(), Is.LessThanOrEqualTo(1));
            Assert.That(FuseUringSupport.SlotsWanted(channels), Is.EqualTo((32 * queues[0]) + 1));
        }
    }

    [TestCase("0", 1)]
    [TestCase("0-3", 4)]
    [TestCase("0-1,4,6-7\n", 5)]
    public void CPUs_are_counted(string list, int count) => Assert.That(CpuTopology.CountOf(list), Is.EqualTo(count));

    [Test]
    public void Where_it_is_switched_off_the_remedy_is_told()
    {
        using SwitchedOff off = new();
        Assert.That(
            () => FuseUringSupport.Choose(FuseTransport.Uring, 1, 64),
            Throws.InstanceOf<FuseMountException>().With.Message.EqualTo(
                "FUSE over io_uring: it is switched off; enable it as root before mounting: "
                + "echo Y > /sys/module/fuse/parameters/enable_uring"));
        Assert.That(FuseUringSupport.Choose(FuseTransport.Auto, 1, 64), Is.EqualTo(FuseTransport.Dev));
        using MountedDisk mounted = new(transport: FuseTransport.Auto);
        Assert.That(mounted.Session.Transport, Is.EqualTo(FuseTransport.Dev));
        Tool.Succeed("dd", $"if={mounted.DiskPath}", "of=/dev/null", "bs=4096", "count=3");
    }

    [Test]
    public void Where_it_is_on_it_is_taken()
    {
        UringSwitch.Require();
        using MountedDisk mounted = new(queues: 2, transport: FuseTransport.Auto);
        Assert.That(mounted.Session.Transport, Is.EqualTo(FuseTransport.Uring));
        Tool.Succeed("dd", $"if={mounted.DiskPath}", "of=/dev/null", "bs=4096", "count=3");
    }

    [Test]
    public void Too_few_slots_are_an_obstacle()
    {
        UringSwitch.Require();
        int queues = CpuTopology.PossibleCount;
        Assert.That(FuseUringSupport.Choose(FuseTransport.Auto, 1, queues), Is.EqualTo(FuseTransport.Dev));
        Assert.That(FuseUringSupport.Choose(FuseTransport.Uring, 1, queues + 1), Is.EqualTo(FuseTransport.Uring));
        Assert.That(
            () => FuseUringSupport.Choose(FuseTransport.Uring, 1, queues),
            Throws.InstanceOf<FuseMountException>().With.Message.Contains("take more queues"));
    }

    [Test]
    public void A_context_without_a_large_ring_is_refused()
    {
        UringSwitch.Require();
        AioContextOptions epoll = new() { Monitor = FdMonitorKind.Epoll };
        Assert.That(() => new MountedDisk(aio: epoll, transport: FuseTransport.Uring), Throws.InvalidOperationException);
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public void More_or_fewer_channels_than_CPUs_serve_them_all(int queues)
    {
        UringSwitch.Require();
        using MountedDisk mounted = new(queues, transport: FuseTransport.Uring);
        foreach (int cpu in ThreadScheduling.GetAffinity())
        {
            Tool.Succeed("taskset", "-c", $"{cpu}", "dd", $"if={mounted.DiskPath}", "of=/dev/null", "bs=64k");
        }

        Assert.That(mounted.Sum(s => s.BytesRead), Is.GreaterThanOrEqualTo(mounted.Disk.Size));
    }

    [Test]
    public void Many_mounts_come_and_go()
    {
        UringSwitch.Require();
        for (int i = 0; i < 20; i++)
        {
            using MountedDisk mounted = new(queues: 2, transport: FuseTransport.Uring);
            Tool.Succeed("cat", Path.Join(mounted.Root, "stats"));
        }
    }

    [Test]
    public void An_unmount_ends_the_session_and_gives_the_slots_back()
    {
        UringSwitch.Require();
        using MountedDisk mounted = new(queues: 2, slots: 8, transport: FuseTransport.Uring);
        Tool.Succeed("umount", mounted.Root);
        Assert.That(mounted.Session.Ended.Wait(TimeSpan.FromSeconds(30)), Is.True);
        Assert.That(mounted.Session.Ended.IsCompletedSuccessfully);
        Tool.WaitUntil(() => mounted.Pools.All(p => p.Free == 8), "the kernel gives the entries up");
    }

    private sealed class SwitchedOff : IDisposable
    {
        private readonly string? _before = UringSwitch.Read();

        internal SwitchedOff()
        {
            Assume.That(_before, Is.Not.Null, "needs root, and a kernel that has it");
            UringSwitch.Write("N");
        }

        public void Dispose() => UringSwitch.Write(_before!);
    }
}
