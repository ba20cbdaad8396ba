using System.Diagnostics;
using FuseFront.Fuse;
using NUnit.Framework;

namespace FuseFront.Tests.Fuse;

/// <summary>Applications that get a signal while their request is in flight.</summary>
[TestFixture(FuseTransport.Dev)]
[TestFixture(FuseTransport.Uring)]
public sealed class FuseInterruptTests(FuseTransport transport)
{
    [TestCase(1)]
    [TestCase(2)]
    public void A_reader_that_is_killed_takes_its_waiting_request_along(int queues)
    {
        using MountedDisk mounted = new(queues, transport: transport);
        mounted.Disk.MayCancel = true;
        using Process reader = StartReader(mounted);
        reader.Kill();
        Tool.WaitForExit(reader);
        Assert.That(mounted.Sum(s => s.Cancelled), Is.EqualTo(1));
        Assert.That(mounted.Sum(s => s.Interrupts), Is.Positive);
        Assert.That(mounted.Held, Is.Zero);
    }

    [Test]
    public void A_request_already_at_the_disk_is_left_to_finish()
    {
        using MountedDisk mounted = new(queues: 2, transport: transport);
        using Process reader = StartReader(mounted);
        reader.Kill();
        Tool.WaitUntil(() => mounted.Sum(s => s.Interrupts) > 0, "the INTERRUPT arrives");
        Assert.That(reader.HasExited, Is.False);
        Assert.That(mounted.Held, Is.EqualTo(1));
        mounted.ReleaseHeld();
        Tool.WaitForExit(reader);
        Assert.That(mounted.Sum(s => s.Cancelled), Is.Zero);
        Assert.That(Tool.Succeed("cat", Path.Join(mounted.Root, "stats")), Is.EqualTo("{}\n"), "the mount goes on");
    }

    [Test]
    public void A_request_in_flight_at_a_lazy_unmount_fails_its_caller_when_the_session_ends()
    {
        Process reader;
        using (MountedDisk mounted = new(transport: transport))
        {
            reader = StartReader(mounted);
        }

        using (reader)
        {
            Tool.WaitForExit(reader);
            Assert.That(reader.ExitCode, Is.Not.Zero);
        }
    }

    [Test]
    public void A_request_in_flight_is_still_answered_after_a_stop()
    {
        using MountedDisk mounted = new(queues: 2, transport: transport);
        Tool.Succeed("dd", $"if={mounted.DiskPath}", "of=/dev/null", "bs=4096", "count=1"); // from here on close asks nothing
        using Process reader = StartReader(mounted);
        mounted.Session.Unmount(lazy: true);
        foreach (FuseChannel channel in mounted.Session.Channels)
        {
            channel.Stop();
        }

        mounted.ReleaseHeld();
        Tool.WaitForExit(reader);
        Assert.That(reader.ExitCode, Is.Zero);
    }

    /// <summary>A process whose READ is in flight.</summary>
    private static Process StartReader(MountedDisk mounted)
    {
        mounted.Disk.Hold = true;
        Process reader = Tool.Start("dd", $"if={mounted.DiskPath}", "of=/dev/null", "bs=4096", "count=1");
        Tool.WaitUntil(() => mounted.Held == 1, "the READ arrives");
        return reader;
    }
}
