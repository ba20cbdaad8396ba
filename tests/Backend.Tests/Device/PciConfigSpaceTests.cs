using Backend.Device;
using NUnit.Framework;
using RingCore.Posix;
using RingCore.VfioUser;
using RingCore.Virtio;

namespace Backend.Tests.Device;

public class PciConfigSpaceTests : PciFixture
{
    [Test]
    public void A_modern_block_device_has_the_identity_that_drivers_look_for()
    {
        Assert.That(ReadConfig(0x00, 2), Is.EqualTo(0x1AF4));
        Assert.That(ReadConfig(0x02, 2), Is.EqualTo(0x1042));
        Assert.That(ReadConfig(0x08, 1), Is.EqualTo(1), "revision");
        Assert.That(ReadConfig(0x09, 1), Is.Zero, "programming interface");
        Assert.That(ReadConfig(0x0A, 2), Is.EqualTo(0x0100), "class");
        Assert.That(ReadConfig(0x0E, 1), Is.Zero, "header type");
        Assert.That(ReadConfig(0x2C, 2), Is.EqualTo(0x1AF4));
        Assert.That(ReadConfig(0x2E, 2), Is.EqualTo(0x1100));
        Assert.That(ReadConfig(0x3D, 1), Is.EqualTo(1), "INTA");
        Assert.That(ReadConfig(0x06, 2) & 0x10, Is.EqualTo(0x10), "has capabilities");
    }

    [Test]
    public void A_transitional_block_device_has_the_legacy_identity_and_an_io_bar()
    {
        Plug(new VirtioPciOptions { Transitional = true });
        Assert.That(ReadConfig(0x02, 2), Is.EqualTo(0x1001));
        Assert.That(ReadConfig(0x08, 1), Is.Zero);
        Assert.That(ReadConfig(0x2E, 2), Is.EqualTo(2), "subsystem id is the device type");
        Assert.That(ReadConfig(0x10, 4), Is.EqualTo(1), "I/O space");
        Assert.That(BarSize(0), Is.EqualTo(Proxy.RegionSize(0)));
        Assert.That(Proxy.IsIoRegion(0), Is.True);
    }

    [Test]
    public void Identity_cannot_be_written()
    {
        byte[] before = new byte[16];
        Proxy.ReadRegion(VfioPciRegion.Config, 0, before);
        WriteConfig(0x00, 4, 0xFFFFFFFF);
        WriteConfig(0x08, 4, 0xFFFFFFFF);
        WriteConfig(0x2C, 4, 0xFFFFFFFF);
        Assert.That(ReadConfig(0x00, 4), Is.EqualTo(0x1042_1AF4));
        Assert.That(ReadConfig(0x08, 4), Is.EqualTo(0x0100_0001));
        Assert.That(ReadConfig(0x2C, 4), Is.EqualTo(0x1100_1AF4));
    }

    [Test]
    public void Command_is_stored_as_far_as_its_bits_exist()
    {
        WriteConfig(0x04, 2, 0x0406);
        Assert.That(ReadConfig(0x04, 2), Is.EqualTo(0x0406));
        WriteConfig(0x04, 2, 0xFFFF);
        Assert.That(ReadConfig(0x04, 2), Is.EqualTo(0x0547));
        WriteConfig(0x04, 1, 0);
        Assert.That(ReadConfig(0x04, 2), Is.EqualTo(0x0500), "byte writes leave the other byte");
        Assert.That(ReadConfig(0x06, 2), Is.EqualTo(0x10), "status is not touched");
    }

    [Test]
    public void Bars_answer_the_sizing_probe_and_keep_addresses()
    {
        Assert.That(BarSize(1), Is.EqualTo(Proxy.RegionSize(1)).And.EqualTo(0x1000UL));
        Assert.That(BarSize(4), Is.EqualTo(0x4000UL));
        Assert.That(ReadConfig(0x20, 4) & 0xF, Is.EqualTo(0xC), "64 bits, prefetchable");
        WriteConfig(0x24, 4, 0xFFFFFFFF);
        Assert.That(ReadConfig(0x24, 4), Is.EqualTo(0xFFFFFFFF), "the upper half of a size below 4 GiB");
        WriteConfig(0x20, 4, 0xFEBF4123);
        WriteConfig(0x24, 4, 0x7);
        Assert.That(ReadConfig(0x20, 4), Is.EqualTo(0xFEBF400C));
        Assert.That(ReadConfig(0x24, 4), Is.EqualTo(7));
        foreach (int absent in new[] { 0, 2, 3 })
        {
            Assert.That(BarSize(absent), Is.Zero);
        }
    }

    [Test]
    public void Bar_sizes_are_powers_of_two_and_the_upper_half_is_no_region()
    {
        Plug(new VirtioPciOptions { Transitional = true, ModernPioNotify = true }, new PciFakeDevice(queues: 200));
        foreach (int bar in new[] { 0, 1, 2, 4 })
        {
            Assert.That(ulong.IsPow2(Proxy.RegionSize(bar)), Is.True, $"BAR {bar}");
        }

        Assert.That(Proxy.RegionSize(5), Is.Zero);
        Assert.That(Proxy.RegionSize(VfioPciRegion.Rom), Is.Zero);
        Assert.That(Proxy.RegionSize(VfioPciRegion.Config), Is.EqualTo(256));
        Assert.That(Proxy.RegionSize(VfioPciRegion.Vga), Is.Zero);
    }

    [Test]
    public void Placement_registers_are_announced_and_reach_the_device()
    {
        int at = Capabilities(0x09).First(c => (int)ReadConfig(c + 3, 1) == 9);
        Assert.That(ReadConfig(at + 4, 2), Is.EqualTo(0xFFFE));
        int bar = (int)ReadConfig(at + 6, 1);
        ulong registers = ReadConfig(at + 12, 4);
        Assert.That(ReadConfig(at + 16, 2), Is.EqualTo(Device.FirstTwin));
        Write(bar, registers + 4, 4, 7);
        Write(bar, registers, 4, uint.MaxValue);
        Write(bar, registers, 4, 0x8000_0003);
        Write(bar, registers + 400, 4, 1);
        Assert.That(TryWrite(bar, registers, 2, 1), Is.Not.Zero);
        Assert.That(Device.Placements, Is.EqualTo(new (int, PlacementHint)[]
        {
            (1, PlacementHint.On(7)), (0, PlacementHint.Anywhere), (0, PlacementHint.Beside(3)),
        }));
    }

    [Test]
    public void There_is_no_phantom_rom()
    {
        WriteConfig(0x30, 4, 0xFFFFF800);
        Assert.That(ReadConfig(0x30, 4), Is.Zero);
        WriteConfig(0x30, 4, 0xFFFFFFFF);
        Assert.That(ReadConfig(0x30, 4), Is.Zero);
    }

    [Test]
    public void Virtio_capabilities_point_to_the_areas_of_bar_4()
    {
        Assert.That(Capabilities(0x09), Has.Count.EqualTo(6));
        foreach ((int type, uint offset) in new[] { (1, 0u), (3, 0x1000u), (4, 0x2000u), (2, 0x3000u) })
        {
            (int at, int bar, uint where, uint length) = VirtioCapability(type);
            Assert.That(bar, Is.EqualTo(4));
            Assert.That(where, Is.EqualTo(offset));
            Assert.That(length, Is.EqualTo(0x1000));
            Assert.That(ReadConfig(at + 2, 1), Is.EqualTo(type == 2 ? 20 : 16), "cap_len");
        }

        Assert.That(ReadConfig(VirtioCapability(2).At + 16, 4), Is.EqualTo(4), "notify multiplier");
        Assert.That(ReadConfig(VirtioCapability(5).At + 2, 1), Is.EqualTo(20));
    }

    [Test]
    public void Msix_has_a_vector_for_each_queue_and_one_for_the_configuration()
    {
        int at = Capabilities(0x11).Single();
        Assert.That(ReadConfig(at + 2, 2), Is.EqualTo(2), "table size - 1: three vectors");
        Assert.That(ReadConfig(at + 4, 4), Is.EqualTo(1), "table at 0 of BAR 1");
        Assert.That(ReadConfig(at + 8, 4), Is.EqualTo(0x801), "pending bits at 0x800 of BAR 1");
        Assert.That(Proxy.Interrupts.Count(VfioPciIrq.Msix), Is.EqualTo(3));
        WriteConfig(at + 2, 2, 0xFFFF);
        Assert.That(ReadConfig(at + 2, 2), Is.EqualTo(0xC002), "only enable and function mask can be written");
    }

    [Test]
    public void Many_vectors_get_a_larger_table()
    {
        Plug(device: new PciFakeDevice(queues: 300));
        int at = Capabilities(0x11).Single();
        uint pba = (uint)ReadConfig(at + 8, 4) & ~7u;
        Assert.That(pba, Is.GreaterThanOrEqualTo(301 * 16));
        Assert.That(Proxy.RegionSize(1), Is.GreaterThanOrEqualTo(pba + 40));
    }

    [Test]
    public void A_device_that_cannot_be_laid_out_is_refused()
    {
        VirtioPciProxy proxy = new(Proxy.Memory);
        Assert.That(() => proxy.Plug(new PciFakeDevice(queues: 1025)), Throws.ArgumentException);
        VirtioPciProxy legacy = new(Proxy.Memory, new VirtioPciOptions { Transitional = true });
        Assert.That(() => legacy.Plug(new PciFakeDevice { DeviceType = 26 }), Throws.ArgumentException);
        Assert.That(() => Proxy.Plug(new PciFakeDevice()), Throws.InvalidOperationException);
        Assert.That(() => proxy.Device, Throws.InvalidOperationException);
    }

    [Test]
    public void The_whole_space_can_be_read_at_once_and_nothing_past_it()
    {
        byte[] whole = new byte[256];
        Assert.That(Proxy.ReadRegion(VfioPciRegion.Config, 0, whole), Is.Zero);
        Assert.That(whole[0], Is.EqualTo(0xF4));
        Assert.That(TryRead(VfioPciRegion.Config, 1, 256), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryRead(VfioPciRegion.Config, 256, 1), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryRead(VfioPciRegion.Config, ulong.MaxValue, 1), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryRead(VfioPciRegion.Config, 256, 0), Is.Zero);
        Assert.That(TryWrite(VfioPciRegion.Config, 254, 4, 0), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void The_window_reads_and_writes_bars()
    {
        int window = VirtioCapability(5).At;
        SetWindow(window, 4, 0x16, 2);
        WriteConfig(window + 16, 2, 1);
        Assert.That(Read(Modern, 0x16, 2), Is.EqualTo(1), "queue_select was written");
        SetWindow(window, 4, 0x18, 2);
        Assert.That(ReadConfig(window + 16, 2), Is.EqualTo(128), "queue_size was read");
        SetWindow(window, 4, 0x2000, 4);
        Assert.That(ReadConfig(window + 16, 4), Is.EqualTo(0x04030201));
        SetWindow(window, 4, 0x14, 1);
        WriteConfig(window + 16, 1, 3);
        Assert.That(Device.Status, Is.EqualTo(3));
        SetWindow(window, 4, 0x3004, 2);
        WriteConfig(window + 16, 2, 1);
        Assert.That(Device.Notified, Is.EqualTo(new[] { 1 }));
    }

    [TestCase(4, 0x18u, 3u)]
    [TestCase(4, 0x19u, 2u)]
    [TestCase(4, 0x4000u, 4u)]
    [TestCase(4, 0xFFFFFFFCu, 4u)]
    [TestCase(6, 0u, 4u)]
    [TestCase(7, 0u, 4u)]
    [TestCase(255, 0u, 4u)]
    [TestCase(4, 0u, 8u)]
    [TestCase(4, 0u, 0u)]
    public void A_window_set_up_badly_does_nothing(int bar, uint offset, uint length)
    {
        int window = VirtioCapability(5).At;
        SetWindow(window, bar, offset, length);
        Assert.That(() => ReadConfig(window + 16, 4), Throws.Nothing);
        Assert.That(() => WriteConfig(window + 16, 4, 0xFFFFFFFF), Throws.Nothing);
        Assert.That(Device.StatusWrites, Is.Empty);
        Assert.That(ReadConfig(0x00, 4), Is.EqualTo(0x1042_1AF4));
    }

    [Test]
    public void Reading_the_whole_space_does_not_read_through_the_window()
    {
        int window = VirtioCapability(5).At;
        SetWindow(window, 4, 0x1000, 1);
        Proxy.NotifyQueue(0);
        Proxy.ReadRegion(VfioPciRegion.Config, 0, new byte[256]);
        Assert.That(Read(Modern, 0x1000, 1), Is.EqualTo(1), "the ISR register was not read before");
    }

    [Test]
    public void Reset_puts_configuration_space_back()
    {
        WriteConfig(0x04, 2, 6);
        WriteConfig(0x20, 4, 0xFEBF4000);
        int msix = Capabilities(0x11).Single();
        WriteConfig(msix + 2, 2, 0x8000);
        Proxy.Reset();
        Assert.That(ReadConfig(0x04, 2), Is.Zero);
        Assert.That(ReadConfig(0x20, 4), Is.EqualTo(0xC));
        Assert.That(ReadConfig(msix + 2, 2), Is.EqualTo(2));
    }

    private void SetWindow(int window, int bar, uint offset, uint length)
    {
        WriteConfig(window + 4, 1, (ulong)bar);
        WriteConfig(window + 8, 4, offset);
        WriteConfig(window + 12, 4, length);
    }

    private ulong BarSize(int bar)
    {
        int at = 0x10 + (4 * bar);
        ulong old = ReadConfig(at, 4);
        WriteConfig(at, 4, 0xFFFFFFFF);
        uint mask = (uint)ReadConfig(at, 4) & ((old & 1) != 0 ? ~3u : ~15u);
        WriteConfig(at, 4, old);
        return mask == 0 ? 0 : (ulong)(~mask) + 1;
    }
}
