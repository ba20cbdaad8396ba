using Backend.Device;
using NUnit.Framework;
using RingCore.Posix;

namespace Backend.Tests.Device;

public class PciCommonConfigTests : PciFixture
{
    [Test]
    public void Features_come_in_halves_and_nothing_comes_after_them()
    {
        Write(Modern, 0, 4, 0);
        Assert.That(Read(Modern, 4, 4), Is.EqualTo(PciFakeDevice.Features & 0xFFFFFFFF));
        Write(Modern, 0, 4, 1);
        Assert.That(Read(Modern, 4, 4), Is.EqualTo(PciFakeDevice.Features >> 32));
        Write(Modern, 0, 4, 2);
        Assert.That(Read(Modern, 4, 4), Is.Zero);
        Write(Modern, 0, 4, 0xFFFFFFFF);
        Assert.That(Read(Modern, 4, 4), Is.Zero);
        Assert.That(Read(Modern, 0, 4), Is.EqualTo(0xFFFFFFFF));
    }

    [Test]
    public void The_driver_hands_its_features_over_with_the_status()
    {
        Write(Modern, 8, 4, 1);
        Write(Modern, 12, 4, 1);
        Write(Modern, 8, 4, 0);
        Write(Modern, 12, 4, 0x200);
        Assert.That(Read(Modern, 12, 4), Is.EqualTo(0x200));
        Write(Modern, 20, 1, 11);
        Assert.That(Device.StatusWrites.Last(), Is.EqualTo(((byte)11, 0x1_0000_0200UL)));
        Write(Modern, 12, 4, 0);
        Assert.That(Read(Modern, 12, 4), Is.EqualTo(0x200), "features are settled after FEATURES_OK");
    }

    [Test]
    public void Features_that_will_not_do_clear_FEATURES_OK_in_what_is_read_back()
    {
        Write(Modern, 8, 4, 0);
        Write(Modern, 12, 4, 1);
        Write(Modern, 20, 1, 11);
        Assert.That(Read(Modern, 20, 1), Is.EqualTo(3));
    }

    [Test]
    public void Queues_are_counted_and_have_their_size_and_doorbell()
    {
        Assert.That(Read(Modern, 18, 2), Is.EqualTo(2));
        for (ulong q = 0; q < 2; q++)
        {
            Write(Modern, 22, 2, q);
            Assert.That(Read(Modern, 22, 2), Is.EqualTo(q));
            Assert.That(Read(Modern, 24, 2), Is.EqualTo(128));
            Assert.That(Read(Modern, 28, 2), Is.Zero, "not enabled yet");
            Assert.That(Read(Modern, 30, 2), Is.EqualTo(q));
        }
    }

    [Test]
    public void A_queue_that_does_not_exist_reads_as_zeros_and_ignores_writes()
    {
        Write(Modern, 22, 2, 2);
        for (ulong at = 24; at < 56; at += 2)
        {
            Assert.That(at >= 32 ? 0UL : Read(Modern, at, 2), Is.Zero, $"{at}");
        }

        Write(Modern, 24, 2, 64);
        Write(Modern, 28, 2, 1);
        Write(Modern, 32, 4, 0x1000);
        Assert.That(Read(Modern, 32, 4), Is.Zero);
        Assert.That(Read(Modern, 24, 2), Is.Zero);
        Write(Modern, 22, 2, 0xFFFF);
        Assert.That(Read(Modern, 28, 2), Is.Zero);
    }

    [Test]
    public void Queue_size_stays_a_power_of_two_that_is_offered()
    {
        Write(Modern, 24, 2, 64);
        Assert.That(Read(Modern, 24, 2), Is.EqualTo(64));
        foreach (ulong bad in new ulong[] { 0, 3, 100, 256, 0xFFFF })
        {
            Write(Modern, 24, 2, bad);
            Assert.That(Read(Modern, 24, 2), Is.EqualTo(64), $"{bad}");
        }
    }

    [Test]
    public void Queue_addresses_are_written_in_halves_or_whole()
    {
        Write(Modern, 22, 2, 1);
        foreach (ulong at in new ulong[] { 32, 40, 48 })
        {
            Write(Modern, at, 4, 0x1000 + at);
            Write(Modern, at + 4, 4, 0x22);
            Assert.That(Read(Modern, at, 4), Is.EqualTo(0x1000 + at));
            Assert.That(Read(Modern, at + 4, 4), Is.EqualTo(0x22));
            Assert.That(Read(Modern, at, 8), Is.EqualTo(0x22_0000_1000 + at));
        }

        VirtQueue queue = Device.Queues[1];
        Assert.That(queue.DescriptorTable, Is.EqualTo(0x22_0000_1020));
        Assert.That(queue.AvailableRing, Is.EqualTo(0x22_0000_1028));
        Assert.That(queue.UsedRing, Is.EqualTo(0x22_0000_1030));
        Write(Modern, 32, 8, 0xAAAA_BBBB_CCCC_D000);
        Assert.That(queue.DescriptorTable, Is.EqualTo(0xAAAA_BBBB_CCCC_D000));
    }

    [Test]
    public void An_enabled_queue_reads_so_and_keeps_its_registers()
    {
        Write(Modern, 32, 4, 0x1000);
        Write(Modern, 28, 2, 0);
        Assert.That(Read(Modern, 28, 2), Is.Zero);
        Write(Modern, 28, 2, 1);
        Assert.That(Read(Modern, 28, 2), Is.EqualTo(1));
        Write(Modern, 32, 4, 0x9000);
        Write(Modern, 24, 2, 8);
        Write(Modern, 28, 2, 0);
        Assert.That(Read(Modern, 32, 4), Is.EqualTo(0x1000));
        Assert.That(Read(Modern, 24, 2), Is.EqualTo(128));
        Assert.That(Read(Modern, 28, 2), Is.EqualTo(1));
    }

    [Test]
    public void Vectors_read_back_as_written_or_as_none()
    {
        foreach (ulong at in new ulong[] { 16, 26 })
        {
            Assert.That(Read(Modern, at, 2), Is.EqualTo(0xFFFF));
            Write(Modern, at, 2, 2);
            Assert.That(Read(Modern, at, 2), Is.EqualTo(2));
            Write(Modern, at, 2, 3);
            Assert.That(Read(Modern, at, 2), Is.EqualTo(0xFFFF), "there are three vectors");
        }
    }

    [Test]
    public void Status_reads_zero_after_a_reset_and_so_does_the_rest()
    {
        Write(Modern, 22, 2, 1);
        Write(Modern, 24, 2, 64);
        Write(Modern, 26, 2, 1);
        Write(Modern, 32, 4, 0x1000);
        Write(Modern, 28, 2, 1);
        Write(Modern, 16, 2, 0);
        Write(Modern, 8, 4, 0);
        Write(Modern, 12, 4, 0x200);
        Write(Modern, 20, 1, 15);
        Assert.That(Read(Modern, 20, 1), Is.EqualTo(15));
        Write(Modern, 20, 1, 0);
        Assert.That(Device.StatusWrites.Last(), Is.EqualTo(((byte)0, 0UL)));
        Assert.That(Read(Modern, 20, 1), Is.Zero);
        Assert.That(Read(Modern, 22, 2), Is.Zero);
        Assert.That(Read(Modern, 16, 2), Is.EqualTo(0xFFFF));
        Assert.That(Read(Modern, 12, 4), Is.Zero);
        Write(Modern, 22, 2, 1);
        Assert.That(Read(Modern, 24, 2), Is.EqualTo(128));
        Assert.That(Read(Modern, 26, 2), Is.EqualTo(0xFFFF));
        Assert.That(Read(Modern, 28, 2), Is.Zero);
        Assert.That(Read(Modern, 32, 8), Is.Zero);
    }

    [Test]
    public void Read_only_registers_ignore_writes()
    {
        Write(Modern, 4, 4, 0xFFFFFFFF);
        Write(Modern, 18, 2, 99);
        Write(Modern, 21, 1, 99);
        Write(Modern, 30, 2, 99);
        Write(Modern, 0x1000, 1, 0xFF);
        Assert.That(Read(Modern, 18, 2), Is.EqualTo(2));
        Assert.That(Read(Modern, 21, 1), Is.Zero);
        Assert.That(Read(Modern, 30, 2), Is.Zero);
        Device.ConfigGeneration = 7;
        Assert.That(Read(Modern, 21, 1), Is.EqualTo(7));
    }

    [TestCase(0, 1)]
    [TestCase(0, 2)]
    [TestCase(0, 8)]
    [TestCase(2, 2)]
    [TestCase(16, 1)]
    [TestCase(16, 4)]
    [TestCase(18, 4)]
    [TestCase(20, 2)]
    [TestCase(22, 4)]
    [TestCase(32, 1)]
    [TestCase(32, 2)]
    [TestCase(34, 4)]
    [TestCase(36, 8)]
    [TestCase(0, 3)]
    [TestCase(0, 16)]
    public void Registers_are_accessed_at_their_width_or_not_at_all(int at, int width)
    {
        Assert.That(TryRead(Modern, (ulong)at, width), Is.EqualTo(Errno.EINVAL));
        Assert.That(Proxy.WriteRegion(Modern, (ulong)at, new byte[width]), Is.EqualTo(Errno.EINVAL));
        Assert.That(Device.StatusWrites, Is.Empty);
    }

    [Test]
    public void Past_the_registers_there_is_nothing()
    {
        Assert.That(Read(Modern, 56, 2), Is.Zero);
        Assert.That(Read(Modern, 0xFF8, 8), Is.Zero);
        Write(Modern, 60, 4, 1);
        Assert.That(TryRead(Modern, 0xFFE, 4), Is.EqualTo(Errno.EINVAL), "across the area's end");
        Assert.That(TryRead(Modern, 0x3FFC, 8), Is.EqualTo(Errno.EINVAL), "across the BAR's end");
    }

    [Test]
    public void Device_configuration_takes_any_width()
    {
        Assert.That(Read(Modern, 0x2000, 1), Is.EqualTo(1));
        Assert.That(Read(Modern, 0x2002, 2), Is.EqualTo(0x0403));
        Assert.That(Read(Modern, 0x2000, 8), Is.EqualTo(0x0807060504030201));
        byte[] whole = new byte[60];
        Assert.That(Proxy.ReadRegion(Modern, 0x2000, whole), Is.Zero);
        Assert.That(whole, Is.EqualTo(Device.Config));
        Write(Modern, 0x2020, 1, 0x77);
        Assert.That(Device.Config[0x20], Is.EqualTo(0x77));
        Assert.That(Read(Modern, 0x203C, 4), Is.Zero, "past the device's configuration");
    }

    [Test]
    public void A_doorbell_names_its_queue_by_address_at_every_width()
    {
        Write(Modern, Notify, 2, 0);
        Write(Modern, Notify + 4, 2, 1);
        Write(Modern, Notify + 4, 4, 1);
        Write(Modern, Notify + 4, 1, 1);
        Assert.That(Device.Notified, Is.EqualTo(new[] { 0, 1, 1, 1 }));
        Write(Modern, Notify + 8, 2, 2);
        Write(Modern, Notify + 0xFFC, 2, 0);
        Assert.That(Device.Notified, Has.Count.EqualTo(4), "no such queue");
        Assert.That(TryWrite(Modern, Notify + 2, 2, 0), Is.EqualTo(Errno.EINVAL));
        Assert.That(Read(Modern, Notify, 2), Is.Zero);
    }
}
