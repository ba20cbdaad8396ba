using Backend.Block;
using Backend.Device;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Tests.Device;

/// <summary>What each request does, and what a bad one does not (virtio 1.3 §5.2.6).</summary>
[TestFixture]
public sealed class VirtioBlkTests
{
    private const ulong LastSector = (DeviceRig.DiskLength / 512) - 1;
    private DeviceRig _rig = null!;

    [SetUp]
    public void SetUp() => _rig = new DeviceRig();

    [TearDown]
    public void TearDown() => _rig.Dispose();

    [Test]
    public void What_is_written_is_read_back()
    {
        _rig.Start();
        byte[] data = new byte[4096];
        new Random(1).NextBytes(data);
        Assert.That(_rig.Do(BlkRequestType.Out, 5, data), Is.EqualTo(BlkStatus.Ok));
        int number = _rig.Add(BlkRequestType.In, 5, readLength: 4096);
        _rig.Kick();
        _rig.Wait(1);
        Assert.That(_rig.StatusOf(number), Is.EqualTo(BlkStatus.Ok));
        Assert.That(_rig.Data(number).SequenceEqual(data), Is.True);
    }

    [TestCase(LastSector, 1024u)]
    [TestCase(LastSector + 1, 512u)]
    [TestCase(ulong.MaxValue, 512u)]
    [TestCase(ulong.MaxValue / 512, 512u)]
    [TestCase(0UL, 100u)]
    public void Transfer_outside_the_disk_or_of_broken_sectors_fails_and_touches_nothing(ulong sector, uint length)
    {
        _rig.Start();
        Assert.That(_rig.Do(BlkRequestType.Out, sector, new byte[length]), Is.EqualTo(BlkStatus.IoError));
        Assert.That(_rig.Do(BlkRequestType.In, sector, readLength: length), Is.EqualTo(BlkStatus.IoError));
        Assert.That(_rig.Disk.Log, Is.Empty);
        Assert.That(_rig.Device.Status & DeviceStatus.NeedsReset, Is.Zero);
    }

    [Test]
    public void Last_sector_is_inside()
    {
        _rig.Start();
        Assert.That(_rig.Do(BlkRequestType.Out, LastSector, new byte[512]), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Unknown_request_is_unsupported()
    {
        _rig.Start();
        Assert.That(_rig.Do((BlkRequestType)99, 0), Is.EqualTo(BlkStatus.Unsupported));
    }

    [Test]
    public void Get_id_returns_the_serial()
    {
        using DeviceRig rig = new(config: new VirtioBlkConfig { Serial = "SN-0042" });
        rig.Start();
        int number = rig.Add(BlkRequestType.GetId, 0, readLength: 20);
        rig.Kick();
        rig.Wait(1);
        Assert.That(rig.StatusOf(number), Is.EqualTo(BlkStatus.Ok));
        Assert.That(rig.Data(number)[..8].ToArray(), Is.EqualTo("SN-0042\0"u8.ToArray()));
    }

    [Test]
    public void Discard_and_write_zeroes_reach_the_disk_as_ranges()
    {
        _rig.Start();
        Assert.That(_rig.Do(BlkRequestType.Discard, 0, DeviceRig.RangeBytes(8, 16)), Is.EqualTo(BlkStatus.Ok));
        Assert.That(_rig.Do(BlkRequestType.WriteZeroes, 0, DeviceRig.RangeBytes(64, 8, BlkDiscardSegment.FlagUnmap)), Is.EqualTo(BlkStatus.Ok));
        Assert.That(_rig.Disk.Log.ToArray(), Is.EqualTo(new[]
        {
            (BlockOperation.Discard, 8L * 512, 16L * 512, 0),
            (BlockOperation.WriteZeroes, 64L * 512, 8L * 512, 0),
        }));
    }

    [TestCase(BlkRequestType.Discard, 1u, BlkStatus.Unsupported, Description = "discard knows no flag")]
    [TestCase(BlkRequestType.WriteZeroes, 2u, BlkStatus.Unsupported)]
    [TestCase(BlkRequestType.WriteZeroes, 1u, BlkStatus.Ok)]
    public void Range_flags_that_are_unknown_are_unsupported(BlkRequestType type, uint flags, BlkStatus expected)
    {
        _rig.Start();
        Assert.That(_rig.Do(type, 0, DeviceRig.RangeBytes(0, 1, flags)), Is.EqualTo(expected));
    }

    [TestCase(LastSector, 2u)]
    [TestCase(ulong.MaxValue, 1u)]
    [TestCase(0UL, uint.MaxValue)]
    public void Range_outside_the_disk_fails(ulong sector, uint count)
    {
        _rig.Start();
        Assert.That(_rig.Do(BlkRequestType.Discard, 0, DeviceRig.RangeBytes(sector, count)), Is.EqualTo(BlkStatus.IoError));
        Assert.That(_rig.Disk.Log, Is.Empty);
    }

    [Test]
    public void Discard_that_was_not_negotiated_is_unsupported()
    {
        _rig.Start(DeviceRig.AllFeatures & ~VirtioFeatures.BlkDiscard);
        Assert.That(_rig.Do(BlkRequestType.Discard, 0, DeviceRig.RangeBytes(0, 1)), Is.EqualTo(BlkStatus.Unsupported));
    }

    [Test]
    public void Read_only_disk_refuses_writes()
    {
        using DeviceRig rig = new(disk: new HeldDriver(DeviceRig.DiskLength)
        {
            Limits = new BlockLimits { Length = DeviceRig.DiskLength, IsReadOnly = true },
        });
        rig.Start(VirtioFeatures.Version1 | VirtioFeatures.BlkReadOnly);
        Assert.That(rig.Do(BlkRequestType.Out, 0, new byte[512]), Is.EqualTo(BlkStatus.IoError));
        Assert.That(rig.Do(BlkRequestType.In, 0, readLength: 512), Is.EqualTo(BlkStatus.Ok));
    }

    [TestCase(Errno.EIO, BlkStatus.IoError)]
    [TestCase(Errno.ENOSPC, BlkStatus.IoError)]
    public void Error_of_the_image_becomes_an_io_error_and_service_goes_on(int errno, BlkStatus expected)
    {
        _rig.Start();
        _rig.Disk.Fail = errno;
        Assert.That(_rig.Do(BlkRequestType.Out, 0, new byte[512]), Is.EqualTo(expected));
        _rig.Disk.Fail = 0;
        Assert.That(_rig.Do(BlkRequestType.Out, 0, new byte[512]), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Neighbours_of_one_batch_become_one_io()
    {
        _rig.Start();
        for (uint i = 0; i < 4; i++)
        {
            byte[] data = new byte[1024];
            Array.Fill(data, (byte)(i + 1));
            _rig.Add(BlkRequestType.Out, 10 + (i * 2), data);
        }

        _rig.Add(BlkRequestType.Out, 100, new byte[512]);
        _rig.Kick();
        _rig.Wait(5);
        Assert.That(_rig.Disk.Log.ToArray(), Is.EqualTo(new[]
        {
            (BlockOperation.Write, 10L * 512, 4096L, 4),
            (BlockOperation.Write, 100L * 512, 512L, 1),
        }));
        Assert.That(_rig.Disk.Bytes[(10 * 512)..(18 * 512)].ToArray().Chunk(1024).Select(c => (int)c[0]), Is.EqualTo(new[] { 1, 2, 3, 4 }));
    }

    [Test]
    public void A_neighbour_that_must_be_stable_does_not_join_one_that_need_not_be()
    {
        using DeviceRig rig = new(ioThreads: 0);
        rig.Start();
        int writes = 0;
        rig.Disk.LimitsAsked = () =>
        {
            // The device looks at the second write.
            if (++writes == 2)
            {
                rig.Device.WriteConfig(BlkConfig.WritebackOffset, [0]);
            }
        };
        rig.Add(BlkRequestType.Out, 0, new byte[512]);
        rig.Add(BlkRequestType.Out, 1, new byte[512]);
        rig.Kick();
        rig.Wait(2);
        Assert.That(rig.Disk.Flags, Is.EqualTo(new[] { BlockRequestFlags.None, BlockRequestFlags.ForceUnitAccess }));
    }

    [Test]
    public void Nothing_merges_when_it_is_off_or_not_adjacent_or_of_another_kind()
    {
        using DeviceRig rig = new(config: new VirtioBlkConfig { RequestMerging = false });
        rig.Start();
        rig.Add(BlkRequestType.Out, 0, new byte[512]);
        rig.Add(BlkRequestType.Out, 1, new byte[512]);
        rig.Kick();
        rig.Wait(2);
        Assert.That(rig.Disk.Log, Has.Count.EqualTo(2));

        _rig.Start();
        _rig.Add(BlkRequestType.Out, 0, new byte[512]);
        _rig.Add(BlkRequestType.In, 1, readLength: 512);
        _rig.Add(BlkRequestType.In, 3, readLength: 512);
        _rig.Kick();
        _rig.Wait(3);
        Assert.That(_rig.Disk.Log, Has.Count.EqualTo(3));
    }

    [Test]
    public void Header_cut_short_needs_a_reset_which_brings_the_device_back()
    {
        _rig.Start();
        _rig.Driver().Descriptors[0] = new Descriptor { Address = DeviceRig.Iova + 65536, Length = 8, Flags = DescriptorFlags.Next, Next = 1 };
        _rig.Driver().Descriptors[1] = new Descriptor { Address = DeviceRig.Iova + 69632, Length = 1, Flags = DescriptorFlags.Write };
        AssertNeedsReset();
    }

    [Test]
    public void Request_without_a_status_byte_needs_a_reset()
    {
        _rig.Start();
        _rig.Driver().Descriptors[0] = new Descriptor { Address = DeviceRig.Iova + 65536, Length = 16 };
        AssertNeedsReset();
    }

    [TestCase(0UL)]
    [TestCase(DeviceRig.Iova + (4 << 20) - 256)]
    [TestCase(ulong.MaxValue - 100)]
    public void Data_outside_memory_needs_a_reset(ulong address)
    {
        _rig.Start();
        _rig.Add(BlkRequestType.In, 0, readLength: 512);
        _rig.Driver().Descriptors[1].Address = address;
        _rig.Driver().Publish();
        _rig.Ring();
        WaitForNeedsReset();
    }

    [TestCase(BlkRequestType.In)]
    [TestCase(BlkRequestType.Out)]
    [TestCase(BlkRequestType.GetId)]
    [TestCase(BlkRequestType.Discard)]
    [TestCase(BlkRequestType.WriteZeroes)]
    public void Request_whose_data_is_outside_memory_is_not_in_flight_for_ever(BlkRequestType type)
    {
        _rig.Start();
        bool reads = type is BlkRequestType.In or BlkRequestType.GetId;
        _rig.Add(type, 0, reads ? default : DeviceRig.RangeBytes(0, 1), readLength: reads ? 512u : 0);
        if (type == BlkRequestType.Out)
        {
            _rig.Driver().Descriptors[1].Length = 512;
        }

        _rig.Driver().Descriptors[1].Address = 0;
        _rig.Driver().Publish();
        _rig.Ring();
        WaitForNeedsReset();
        _rig.Device.Synchronize();
        Assert.That(_rig.Device.DataPlane.Running[0].InFlight, Is.Zero);
        _rig.Device.WriteStatus(0, 0);
    }

    [Test]
    public void Transfer_longer_than_all_that_is_offered_fails_and_touches_nothing()
    {
        const ulong Address = 0x1_0000_0000;
        const uint Longest = 126u << 22; // SEG_MAX times SIZE_MAX
        using FileDescriptor memory = MemFd.CreateSealed("large", 1L << 30);
        using DeviceRig rig = new(disk: new HeldDriver(0)
        {
            Limits = new BlockLimits { Length = 1L << 30 },
            Fail = Errno.EIO, // The memory is only to be vouched for.
        });
        rig.Transport.Memory.Add(Address, 1 << 30, memory, 0, writable: true);
        rig.Start(VirtioFeatures.Version1);
        int tooLong = Add(Longest + 512);
        rig.Kick();
        rig.Wait(1);
        Assert.That(rig.StatusOf(tooLong), Is.EqualTo(BlkStatus.IoError));
        Assert.That(rig.Disk.Log, Is.Empty);
        Add(Longest);
        rig.Kick();
        rig.Wait(1);
        Assert.That(rig.Disk.Log, Has.Count.EqualTo(1));

        int Add(uint length)
        {
            int number = rig.Add(BlkRequestType.Out, 0, new byte[512]);
            rig.Driver().Descriptors[(number * 3) + 1].Address = Address;
            rig.Driver().Descriptors[(number * 3) + 1].Length = length;
            return number;
        }
    }

    [Test]
    public void Ring_outside_memory_needs_a_reset_at_the_start()
    {
        _rig.Start(beforeDriverOk: () => _rig.Device.Queues[0].UsedRing = 0x10);
        Assert.That(_rig.Device.Status & DeviceStatus.NeedsReset, Is.Not.Zero);
        _rig.Device.WriteStatus(0, 0);
        _rig.Start();
        Assert.That(_rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Features_that_were_not_offered_are_refused()
    {
        byte status = DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk;
        _rig.Device.WriteStatus(status, (ulong)(VirtioFeatures.Version1 | VirtioFeatures.PackedRing));
        Assert.That(_rig.Device.Status & DeviceStatus.FeaturesOk, Is.Zero);
        _rig.Device.WriteStatus(0, 0);
        _rig.Device.WriteStatus(status, (ulong)VirtioFeatures.EventIndex);
        Assert.That(_rig.Device.Status & DeviceStatus.FeaturesOk, Is.Zero, "VERSION_1 is required");
    }

    [Test]
    public void Configuration_shows_the_disk_and_takes_the_write_cache_toggle()
    {
        _rig.Start();
        byte[] config = new byte[BlkConfig.ByteSize];
        _rig.Device.ReadConfig(0, config);
        Assert.That(BitConverter.ToUInt64(config), Is.EqualTo((ulong)DeviceRig.DiskLength / 512));
        Assert.That(config[BlkConfig.WritebackOffset], Is.EqualTo(1));
        _rig.Device.WriteConfig(BlkConfig.WritebackOffset, [0]);
        Assert.That(_rig.Device.IsWriteCacheOn, Is.False);
        _rig.Device.WriteConfig(0, new byte[8]);
        _rig.Device.ReadConfig(0, config);
        Assert.That(BitConverter.ToUInt64(config), Is.Not.Zero, "capacity is not writable");
    }

    private void AssertNeedsReset()
    {
        _rig.Driver().Add(0, 1);
        _rig.Driver().Publish();
        _rig.Ring();
        WaitForNeedsReset();
        _rig.Device.WriteStatus(0, 0);
        Assert.That(_rig.Device.Status, Is.Zero);
        _rig.Start();
        Assert.That(_rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.Ok));
    }

    private void WaitForNeedsReset()
    {
        Assert.That(() => _rig.Device.Status & DeviceStatus.NeedsReset, Is.Not.Zero.After(20_000, 1));
        Assert.That(() => _rig.Transport.ConfigIrqs, Is.GreaterThan(0).After(20_000, 1));
    }
}
