using Backend.Device;
using NUnit.Framework;
using RingCore.Posix;

namespace Backend.Tests.Device;

public class PciLegacyTests : PciFixture
{
    [SetUp]
    public void PlugTransitional() => Plug(new VirtioPciOptions { Transitional = true, ModernPioNotify = true });

    [Test]
    public void Features_are_the_low_half()
    {
        Assert.That(Read(0, 0, 4), Is.EqualTo(PciFakeDevice.Features & 0xFFFFFFFF));
        Write(0, 4, 4, 0x200);
        Assert.That(Read(0, 4, 4), Is.EqualTo(0x200));
        Write(0, 18, 1, 7);
        Assert.That(Device.StatusWrites.Last(), Is.EqualTo(((byte)7, 0x200UL)));
        Assert.That(Read(0, 18, 1), Is.EqualTo(7));
    }

    [Test]
    public void One_page_number_places_a_whole_queue()
    {
        Write(0, 14, 2, 1);
        Assert.That(Read(0, 12, 2), Is.EqualTo(128));
        Assert.That(Read(0, 8, 4), Is.Zero);
        Write(0, 8, 4, 0x123);
        VirtQueue queue = Device.Queues[1];
        Assert.That(queue.Enabled, Is.True);
        Assert.That(queue.DescriptorTable, Is.EqualTo(0x123000));
        Assert.That(queue.AvailableRing, Is.EqualTo(0x123800));
        Assert.That(queue.UsedRing, Is.EqualTo(0x124000));
        Assert.That(Read(0, 8, 4), Is.EqualTo(0x123));
        Write(0, 8, 4, 0);
        Assert.That(queue.Enabled, Is.False);
        Write(0, 14, 2, 9);
        Assert.That(Read(0, 12, 2), Is.Zero, "no such queue");
        Write(0, 8, 4, 0x123);
    }

    [Test]
    public void The_doorbell_and_the_isr_work()
    {
        Write(0, 16, 2, 1);
        Write(0, 16, 2, 7);
        Assert.That(Device.Notified, Is.EqualTo(new[] { 1 }));
        Proxy.NotifyQueue(0);
        Assert.That(Read(0, 19, 1), Is.EqualTo(1));
        Assert.That(Read(0, 19, 1), Is.Zero);
    }

    [Test]
    public void Device_configuration_moves_up_when_msix_is_enabled()
    {
        Assert.That(Read(0, 20, 4), Is.EqualTo(0x04030201));
        WriteConfig(Capabilities(0x11).Single() + 2, 2, 0x8000);
        Assert.That(Read(0, 24, 4), Is.EqualTo(0x04030201));
        Assert.That(Read(0, 20, 2), Is.EqualTo(0xFFFF));
        Write(0, 20, 2, 2);
        Write(0, 22, 2, 1);
        Assert.That(Read(0, 20, 2), Is.EqualTo(2));
        Assert.That(Read(0, 22, 2), Is.EqualTo(1));
        Assert.That(Device.Queues[0].Vector, Is.EqualTo(1));
        Write(0, 25, 1, 0x99);
        Assert.That(Device.Config[1], Is.EqualTo(0x99));
    }

    [Test]
    public void Widths_are_those_of_the_registers()
    {
        Assert.That(TryRead(0, 0, 2), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryRead(0, 18, 2), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryWrite(0, 16, 4, 0), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryRead(0, Proxy.RegionSize(0), 1), Is.EqualTo(Errno.EINVAL));
        Write(0, 12, 2, 5);
        Assert.That(Read(0, 12, 2), Is.EqualTo(128), "the queue's size is fixed");
    }

    [Test]
    public void A_reset_goes_through_the_status_register()
    {
        Write(0, 14, 2, 1);
        Write(0, 8, 4, 5);
        Write(0, 18, 1, 7);
        Write(0, 18, 1, 0);
        Assert.That(Read(0, 18, 1), Is.Zero);
        Assert.That(Device.Queues[1].Enabled, Is.False);
        Assert.That(Read(0, 14, 2), Is.Zero);
    }

    [Test]
    public void The_io_doorbell_of_the_modern_interface_takes_the_queue_from_the_value()
    {
        int at = Capabilities(0x09).Last(c => ReadConfig(c + 3, 1) == 2);
        Assert.That(ReadConfig(at + 4, 1), Is.EqualTo(2), "BAR 2");
        Assert.That(ReadConfig(at + 16, 4), Is.Zero, "multiplier");
        Assert.That(Proxy.IsIoRegion(2), Is.True);
        Write(2, 0, 2, 1);
        Assert.That(Device.Notified, Is.EqualTo(new[] { 1 }));
        Assert.That(Read(2, 0, 4), Is.Zero);
        Assert.That(TryWrite(2, 2, 2, 1), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryWrite(2, 0, 4, 1), Is.EqualTo(Errno.EINVAL));
    }
}
