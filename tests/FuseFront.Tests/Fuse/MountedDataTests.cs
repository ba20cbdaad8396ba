using System.Security.Cryptography;
using FuseFront.Fuse;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>Data and attributes of a real mount, used by real programs.</summary>
[TestFixture(FuseTransport.Dev)]
[TestFixture(FuseTransport.Uring)]
public sealed class MountedDataTests(FuseTransport transport)
{
    [Test]
    public void What_was_agreed_on_is_what_the_data_path_needs()
    {
        using MountedDisk mounted = new(transport: transport);
        FuseNegotiation agreed = mounted.Session.Negotiated;
        TestContext.Out.WriteLine(agreed);
        Assert.That(agreed.Flags.HasFlag(FuseInitFlags.AsyncDirectIo | FuseInitFlags.ParallelDirectoryOperations));
        Assert.That(agreed.MaxWrite, Is.EqualTo(1 << 20));
        Assert.That(agreed.Minor, Is.LessThanOrEqualTo(45));
    }

    [Test]
    public void Attributes_are_those_of_the_file()
    {
        using MountedDisk mounted = new(transport: transport);
        Assert.That(Tool.Succeed("stat", "-c", "%s %b %a %u %g %h %F %o", mounted.DiskPath),
            Is.EqualTo($"{MountedDisk.DefaultSize} {MountedDisk.DefaultSize / 512} 600 0 0 1 regular file 4096\n"));
        Assert.That(Tool.Succeed("stat", "-c", "%a %F", mounted.Root), Is.EqualTo("755 directory\n"));
        Assert.That(Tool.Succeed("stat", "-f", "-c", "%S %b", mounted.Root), Is.EqualTo($"4096 {MountedDisk.DefaultSize / 4096}\n"));
        Assert.That(Tool.Succeed("find", mounted.Root, "-type", "f"), Does.Contain("/disk\n").And.Contain("/stats\n"));
    }

    /// <summary>O_TRUNC is ignored, as by a block device: what people type to fill a disk works, and the size stays.</summary>
    [Test]
    public void Plain_dd_and_cp_write_onto_the_disk()
    {
        using MountedDisk mounted = new();
        byte[] content = new byte[MountedDisk.DefaultSize];
        new Random(3).NextBytes(content);
        string source = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(source, content);
            Tool.Succeed("cp", source, mounted.DiskPath);
            Tool.Succeed("cmp", source, mounted.DiskPath);
            Tool.Succeed("dd", "if=/dev/zero", $"of={mounted.DiskPath}", "bs=4096", "count=1");
            Assert.That(new FileInfo(mounted.DiskPath).Length, Is.EqualTo(MountedDisk.DefaultSize));
            Tool.Succeed("cmp", "-i", "4096", source, mounted.DiskPath);
        }
        finally
        {
            File.Delete(source);
        }
    }

    [Test]
    public void The_directory_stays_as_it_is()
    {
        using MountedDisk mounted = new(transport: transport);
        string other = Path.Join(mounted.Root, "other");
        Assert.That(Tool.Fail("touch", other), Does.Contain("not permitted"));
        Assert.That(Tool.Fail("mkdir", other), Does.Contain("not permitted"));
        Assert.That(Tool.Fail("rm", mounted.DiskPath), Does.Contain("not permitted"));
        Assert.That(Tool.Fail("mv", mounted.DiskPath, other), Does.Contain("not permitted"));
        Assert.That(Tool.Fail("ln", mounted.DiskPath, other), Does.Contain("not permitted"));
        Assert.That(Tool.Fail("chmod", "0644", mounted.DiskPath), Does.Contain("not permitted"));
        Assert.That(Tool.Fail("truncate", "-s", "1", mounted.DiskPath), Does.Contain("not permitted"));
        Tool.Succeed("truncate", "-s", $"{MountedDisk.DefaultSize}", mounted.DiskPath);
        Tool.Succeed("touch", mounted.DiskPath);
        Tool.Succeed("test", "-r", mounted.DiskPath);
    }

    [TestCase(0, 1)]
    [TestCase(4095, 4098)]
    [TestCase(511, 1)]
    [TestCase(12345, 2_345_678)]
    [TestCase(MountedDisk.DefaultSize - 5, 100)]
    [TestCase(MountedDisk.DefaultSize, 100)]
    public void Reads_at_any_offset_and_length_see_the_content(int offset, int length)
    {
        using MountedDisk mounted = new(transport: transport);
        string copy = Path.GetTempFileName();
        try
        {
            Tool.Succeed("dd", $"if={mounted.DiskPath}", $"of={copy}", "iflag=skip_bytes,count_bytes,fullblock", $"skip={offset}", $"count={length}", "bs=3M");
            int end = Math.Min(MountedDisk.DefaultSize, offset + length);
            Assert.That(File.ReadAllBytes(copy).AsSpan().SequenceEqual(mounted.Disk.Content[offset..end]));
        }
        finally
        {
            File.Delete(copy);
        }
    }

    [TestCase(0, 1)]
    [TestCase(4095, 4098)]
    [TestCase(12345, 2_345_678)]
    public void Writes_at_any_offset_and_length_arrive(int offset, int length)
    {
        using MountedDisk mounted = new(queues: 2, transport: transport);
        byte[] expected = mounted.Disk.Content.ToArray();
        byte[] data = RandomNumberGenerator.GetBytes(length);
        data.CopyTo(expected, offset);
        string source = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(source, data);
            Tool.Succeed("dd", $"if={source}", $"of={mounted.DiskPath}", "oflag=seek_bytes", "conv=notrunc,fsync", $"seek={offset}", "bs=3M");
            Assert.That(mounted.Disk.Content.SequenceEqual(expected));
            Assert.That(mounted.Disk.Log, Does.Contain("fsync"));
        }
        finally
        {
            File.Delete(source);
        }
    }

    [Test]
    public void A_write_past_the_end_is_short_and_then_ENOSPC()
    {
        using MountedDisk mounted = new(transport: transport);
        string error = Tool.Fail("dd", "if=/dev/zero", $"of={mounted.DiskPath}", "conv=notrunc", "bs=4096", $"seek={(MountedDisk.DefaultSize / 4096) - 1}", "count=2");
        Assert.That(error, Does.Contain("No space left").And.Contain("4096 bytes"));
    }

    [Test]
    public void Fallocate_fsync_and_seek_reach_the_handler()
    {
        using MountedDisk mounted = new(transport: transport);
        Tool.Succeed("fallocate", "-p", "-o", "4096", "-l", "8192", mounted.DiskPath);
        Tool.Succeed("fallocate", "-z", "-n", "-o", "65536", "-l", "4096", mounted.DiskPath);
        Tool.Succeed("sync", "-d", mounted.DiskPath);

        // The tool itself calls fsync after each.
        Assert.That(mounted.Disk.Log.Where(l => l != "fsync"), Is.EqualTo(new[]
        {
            "fallocate KeepSize, PunchHole 4096 8192", "fallocate KeepSize, ZeroRange 65536 4096", "fdatasync",
        }));

        // The first MiB counts as a hole.
        Assert.That(LseekData(mounted.DiskPath, 5), Is.EqualTo(1 << 20));
        Assert.That(Tool.Fail("fallocate", "-l", $"{MountedDisk.DefaultSize + 1}", mounted.DiskPath), Does.Contain("No space"));
        Assert.That(mounted.Sum(s => s.Fallocates), Is.EqualTo(3));
    }

    [TestCase("libaio", 1)]
    [TestCase("mmap", 0)]
    [TestCase("psync", 0)]
    public void Fio_finds_again_what_it_wrote(string engine, int direct)
    {
        using MountedDisk mounted = new(queues: 2, slots: 32, transport: transport);
        Tool.Succeed(
            "fio", "--name=verify", $"--filename={mounted.DiskPath}", $"--ioengine={engine}", $"--direct={direct}", "--rw=randrw", "--bsrange=4k-256k",
            "--iodepth=32", "--size=8M", "--verify=crc32c", "--verify_fatal=1", "--numjobs=1", "--thread", "--fallocate=none");
        Assert.That(mounted.Sum(s => s.Writes), Is.Positive);
        Assert.That(mounted.Sum(s => s.RepliesFailed + s.Malformed), Is.Zero);
        Assert.That(mounted.Session.Channels.Sum(c => c.InFlight), Is.Zero);
    }

    [TestCase(FdMonitorKind.Epoll, 0)]
    [TestCase(FdMonitorKind.Epoll, 200_000)]
    [TestCase(FdMonitorKind.IoUring, 0)]
    [TestCase(FdMonitorKind.IoUring, 200_000)]
    public void Every_way_to_wait_serves_both_queues(FdMonitorKind monitor, long pollMaxNs)
    {
        Assume.That(monitor != FdMonitorKind.IoUring || IoUring.UnavailableErrno == 0, "io_uring is not available");
        Assume.That(monitor == FdMonitorKind.IoUring || transport == FuseTransport.Dev, "FUSE's ring is the loop's");
        AioContextOptions aio = new() { Monitor = monitor, PollMaxNs = pollMaxNs };
        using MountedDisk mounted = new(queues: 2, slots: 4, aio: aio, transport: transport);
        Tool.Succeed(
            "fio", "--name=mixed", $"--filename={mounted.DiskPath}", "--ioengine=libaio", "--direct=1", "--rw=randrw", "--bs=4k",
            "--iodepth=16", "--size=4M", "--verify=crc32c", "--verify_fatal=1", "--thread", "--fallocate=none");
        Tool.Succeed("dd", $"if={mounted.DiskPath}", "of=/dev/null", "bs=1M");
        Assert.That(mounted.Sum(s => s.RepliesFailed + s.Malformed), Is.Zero);
    }

    [Test]
    public void More_requests_than_slots_wait_their_turn()
    {
        using MountedDisk mounted = new(queues: 2, slots: 2, transport: transport);
        mounted.Disk.Hold = true;
        using System.Diagnostics.Process fio = Tool.Start(
            "fio", "--name=many", $"--filename={mounted.DiskPath}", "--ioengine=libaio", "--direct=1", "--rw=randread", "--bs=4k",
            "--iodepth=32", "--size=8M", "--io_size=4M", "--thread");

        // Over /dev/fuse all slots of both queues; over io_uring the one entry of the CPU that fio runs on, or of both.
        int held = transport == FuseTransport.Dev ? 4 : 1;
        Tool.WaitUntil(() => mounted.Held >= held, "the slots are in use");
        mounted.ReleaseHeld();
        Tool.WaitForExit(fio);
        Assert.That(fio.ExitCode, Is.Zero);
        Assert.That(mounted.Sum(s => s.SlotShortages), Is.GreaterThanOrEqualTo(transport == FuseTransport.Dev ? 2 : 0));
    }

    [Test]
    public void Each_slot_comes_back()
    {
        using MountedDisk mounted = new(queues: 2, slots: 8, transport: transport);
        Tool.Succeed("dd", $"if={mounted.DiskPath}", "of=/dev/null", "bs=64k");
        foreach (FuseChannel channel in mounted.Session.Channels)
        {
            channel.Stop();
        }

        if (transport == FuseTransport.Uring)
        {
            Assert.That(mounted.Pools.Select(p => p.Free), Is.All.EqualTo(FuseUringSupport.SparedSlots));
            mounted.Session.Dispose(); // until then the kernel may put requests into them
        }

        Assert.That(mounted.Pools.Select(p => p.Free), Is.All.EqualTo(8));
    }

    [Test]
    public void A_slot_is_answered_once()
    {
        using MountedDisk mounted = new(transport: transport);
        Assert.That(() => mounted.Session.Channels[0].ReplyEmpty(0), Throws.InvalidOperationException);
    }

    [Test]
    public void Steady_state_allocates_nothing()
    {
        using MountedDisk mounted = new(queues: 1, slots: 16, transport: transport);
        RunTraffic(mounted);
        FuseChannel channel = mounted.Session.Channels[0];
        long requests = mounted.Sum(s => s.Requests);
        long before = Allocated(channel);
        RunTraffic(mounted);
        long allocated = Allocated(channel) - before;

        Assert.That(mounted.Sum(s => s.Requests) - requests, Is.GreaterThan(10_000));
        Assert.That(allocated, Is.LessThan(2_000), "the measuring itself allocates a little; the requests must not");
    }

    private static void RunTraffic(MountedDisk mounted)
    {
        Tool.Succeed("dd", $"if={mounted.DiskPath}", "of=/dev/null", "bs=512", "count=5000");
        Tool.Succeed("dd", "if=/dev/zero", $"of={mounted.DiskPath}", "bs=512", "count=5000", "conv=notrunc");
        Tool.Succeed(
            "fio", "--name=deep", $"--filename={mounted.DiskPath}", "--ioengine=libaio", "--direct=1", "--rw=randread", "--bs=4k",
            "--iodepth=32", "--size=8M", "--io_size=8M", "--thread");
    }

    private static long Allocated(FuseChannel channel)
    {
        long bytes = 0;
        channel.Context.Invoke(() => bytes = GC.GetAllocatedBytesForCurrentThread());
        return bytes;
    }

    private static long LseekData(string path, long offset)
    {
        Tool.Succeed("python3", "--version");
        string output = Tool.Succeed("python3", "-c", $"import os; print(os.lseek(os.open('{path}', os.O_RDONLY), {offset}, os.SEEK_DATA))");
        return long.Parse(output, System.Globalization.CultureInfo.InvariantCulture);
    }
}
