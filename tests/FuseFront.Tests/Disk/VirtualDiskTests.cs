using System.Diagnostics;
using FuseFront.Disk;
using FuseFront.Driver;
using FuseFront.Fuse;
using FuseFront.Tests.Driver;
using FuseFront.Tests.Fuse;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Tests.Disk;

/// <summary>A whole disk on a device that a test has in hand: its limits, its start that fails, its end.</summary>
public sealed class VirtualDiskTests
{
    private const VirtioFeatures Zeroing = VirtioFeatures.BlkDiscard | VirtioFeatures.BlkWriteZeroes;
    private const VirtioFeatures Limits = VirtioFeatures.BlkSizeMax | VirtioFeatures.BlkSegMax | VirtioFeatures.BlkBlockSize;

    [SetUp]
    public void Require()
    {
        Assume.That(File.Exists("/dev/fuse"), "needs /dev/fuse");
        Assume.That(UserIds.IsRoot, "needs root");
    }

    [TestCase(512u, 0u)]
    [TestCase(4096u, 0u)]
    [TestCase(1024u, 4096u)]
    [TestCase(512u, 1u << 17)]
    [TestCase(4096u, 1u << 17)]
    public void Any_offset_and_length_is_served_within_the_devices_limits(uint blockSize, uint sizeMax)
    {
        using MountedDevice rig = new(prepare: device =>
        {
            device.Capacity = 8193; // not whole blocks
            device.OfferedFeatures |= Limits | Zeroing;
            device.Config = new BlkConfig
            {
                BlockSize = blockSize, SizeMax = sizeMax, SegMax = 10, MaxDiscardSectors = 33, MaxWriteZeroesSectors = 33,
            };
        });
        new Random(7).NextBytes(rig.Content);
        byte[] expected = [.. rig.Content];
        long length = new FileInfo(rig.DiskPath).Length;
        Assert.That(length, Is.EqualTo(expected.Length - (expected.Length % blockSize)));
        string source = Path.GetTempFileName();
        try
        {
            foreach ((int at, int size) in (ReadOnlySpan<(int, int)>)[(512, 512), (1 << 20, 1 << 20), (3_000_333, 1_048_576), (4095, 2), (5000, 300_000)])
            {
                byte[] data = new byte[size];
                new Random(at).NextBytes(data);
                data.CopyTo(expected, at);
                File.WriteAllBytes(source, data);
                Tool.Succeed("dd", $"if={source}", $"of={rig.DiskPath}", $"bs={size}", $"seek={at}", "oflag=seek_bytes", "conv=notrunc", "status=none");
            }

            Tool.Succeed("fallocate", "--punch-hole", "--offset", "1000", "--length", "70000", rig.DiskPath);
            Tool.Succeed("fallocate", "--zero-range", "--offset", "2000001", "--length", "4097", rig.DiskPath);
            expected.AsSpan(1000, 70_000).Clear();
            expected.AsSpan(2_000_001, 4097).Clear();
            Assert.That(rig.Content.AsSpan().CommonPrefixLength(expected), Is.EqualTo(expected.Length), "what the device has");
            Tool.Succeed("dd", $"if={rig.DiskPath}", $"of={source}", "bs=999999", "status=none");
            Assert.That(File.ReadAllBytes(source).AsSpan().CommonPrefixLength(expected), Is.EqualTo(length), "what is read");
        }
        finally
        {
            File.Delete(source);
        }
    }

    [TestCase(8192u, "too large")]
    [TestCase(1000u, "1000 bytes")]
    [TestCase(0u, "0 bytes")]
    public void Blocks_that_cannot_be_served_are_refused(uint blockSize, string words) => Assert.That(
        () => new MountedDevice(prepare: device =>
        {
            device.OfferedFeatures |= Limits;
            device.Config = device.Config with { BlockSize = blockSize };
        }),
        Throws.InstanceOf<ProtocolException>().With.Message.Contains(words));

    [Test]
    public void Start_that_fails_leaves_no_mount_behind()
    {
        bool wasMounted = false;
        Assert.That(
            () => new MountedDevice(
                prepare: device => device.Placed = () =>
                {
                    wasMounted = Mounts() > 0;
                    throw new IOException("no more of it");
                },
                affinity: Affinity.Cpu),
            Throws.InstanceOf<IOException>().With.Message.EqualTo("no more of it"));
        Assert.That((wasMounted, Mounts()), Is.EqualTo((true, 0)));
    }

    [TestCase(FuseTransport.Dev)]
    [TestCase(FuseTransport.Uring)]
    public void What_waits_behind_a_request_that_hangs_ends_with_it_and_the_rest_is_made_stable(FuseTransport transport)
    {
        using MountedDevice rig = new(transport);
        Tool.Succeed("dd", "if=/dev/zero", $"of={rig.DiskPath}", "bs=4k", "seek=1", "count=1", "conv=notrunc", "status=none");
        (Process first, Process second) = HangTwoInOneSector(rig);
        rig.Disk.Hurry();
        rig.Disk.Unmount(lazy: true);
        rig.Disk.Stop();
        RequireErrors(first, second);
        Assert.That(rig.Served[^1], Is.EqualTo(BlkRequestType.Flush));
        Assert.That(rig.Device.Resets, Is.EqualTo(3), "at the start, to give up, at the end");
        Assert.That(Mounts(), Is.Zero);
    }

    [TestCase(FuseTransport.Dev)]
    [TestCase(FuseTransport.Uring)]
    public void Disk_that_cannot_be_flushed_at_its_end_says_so_and_is_cleaned_up(FuseTransport transport)
    {
        using MountedDevice rig = new(transport);
        (Process first, Process second) = HangTwoInOneSector(rig);
        rig.Device.HangsInReset = true;
        rig.Disk.Hurry();
        rig.Disk.Unmount(lazy: true);
        Assert.That(
            rig.Disk.Stop,
            Throws.InstanceOf<ProtocolException>().With.Message.Contains("could not be flushed").And.Message.Contains("may be lost"));
        RequireErrors(first, second);
        Assert.That(Mounts(), Is.Zero);
        Assert.That(rig.Disk.Stop, Throws.Nothing, "it has ended");
    }

    [Test]
    public void Why_the_backend_is_given_up_is_told_and_a_disk_without_changes_loses_nothing()
    {
        using MountedDevice rig = new();
        rig.Device.HangUp();
        Tool.WaitUntil(
            () =>
            {
                rig.PollMain();
                return rig.Disk.Failure != null;
            },
            "the failure");
        Assert.That(rig.Disk.Failure, Is.EqualTo("the backend has closed the connection"));
        Assert.That(rig.Disk.Stop, Throws.Nothing);
    }

    [Test]
    public void Driver_whose_start_fails_keeps_nothing_open()
    {
        using FakeDevice device = new() { OfferedFeatures = VirtioFeatures.Version1, StartFails = true };
        int before = OpenDescriptors();
        for (int i = 0; i < 50; i++)
        {
            Assert.That(() => new BlkDriver(device, new BlkDriverOptions { Queues = 1 }), Throws.InstanceOf<ProtocolException>());
        }

        Assert.That(OpenDescriptors(), Is.LessThan(before + 20));
    }

    /// <summary>Two unaligned writes to the first sector: one is with the device, which does not answer it, one waits for the sector.</summary>
    private static (Process First, Process Second) HangTwoInOneSector(MountedDevice rig)
    {
        rig.Hangs = request => request is { Type: BlkRequestType.In, Sector: 0 };
        Process Write(int at) =>
            Tool.Start("dd", "if=/dev/zero", $"of={rig.DiskPath}", "bs=100", "count=1", $"seek={at}", "oflag=seek_bytes", "conv=notrunc");
        Process first = Write(10);
        Process second = Write(200);
        Tool.WaitUntil(() => rig.Disk.Queues[0].InFlight == 2, "both writes");
        return (first, second);
    }

    private static void RequireErrors(params Process[] writers)
    {
        foreach (Process writer in writers)
        {
            Tool.WaitForExit(writer);
            Assert.That(writer.StandardError.ReadToEnd(), Does.Contain("Input/output error"));
            writer.Dispose();
        }
    }

    private static int Mounts() => MountTable.Read().Entries.Count(e => e.Type == "fuse." + MountedDisk.Subtype && e.Source == "test device");

    private static int OpenDescriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Length;
}
