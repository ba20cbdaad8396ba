using NUnit.Framework;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

public class VfioUserInfoTests : VfioUserFixture
{
    [Test]
    public void The_device_is_a_pci_function_that_can_be_reset([Values(16u, 32u)] uint argSize)
    {
        Answer answer = ConnectAndNegotiate().Ask(VfioUserCommand.GetInfo, Bytes(new VfioDeviceInfo { ArgSize = argSize }));
        VfioDeviceInfo info = answer.As<VfioDeviceInfo>();
        Assert.That(answer.Payload, Has.Length.EqualTo(16));
        Assert.That(info.ArgSize, Is.EqualTo(16));
        Assert.That((uint)info.Flags, Is.EqualTo(3));
        Assert.That(info.RegionCount, Is.EqualTo(9));
        Assert.That(info.IrqCount, Is.EqualTo(5));
    }

    [Test]
    public void Too_small_an_argsz_is_refused()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(
            client.Ask(VfioUserCommand.GetInfo, Bytes(new VfioDeviceInfo { ArgSize = 8 })).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.RegionInfo(4, 31).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IrqInfo(2, 15).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Regions_have_their_sizes_and_none_can_be_mapped()
    {
        TestClient client = ConnectAndNegotiate();
        ulong[] sizes = [0, 0x1000, 0, 0, 0x4000, 0, 0, 256, 0];
        for (uint i = 0; i < 9; i++)
        {
            Answer answer = client.RegionInfo(i);
            Assert.That(answer.Error, Is.Zero);
            Assert.That(answer.Payload, Has.Length.EqualTo(32));
            Assert.That(answer.Descriptors, Is.Empty);
            VfioRegionInfo info = answer.As<VfioRegionInfo>();
            Assert.That(info.ArgSize, Is.EqualTo(32));
            Assert.That(info.Index, Is.EqualTo(i));
            Assert.That(info.Size, Is.EqualTo(sizes[i]));
            Assert.That(info.CapOffset, Is.Zero);
            Assert.That((uint)info.Flags, Is.EqualTo(sizes[i] > 0 ? 3u : 0u), "read and write, no mmap");
        }

        Assert.That(client.RegionInfo(9).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.RegionInfo(uint.MaxValue).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.RegionInfo(4, 512).Payload, Has.Length.EqualTo(32), "never more than there is");
    }

    [Test]
    public void Interrupts_take_eventfds_one_by_one()
    {
        TestClient client = ConnectAndNegotiate();
        uint[] counts = [1, 0, 3, 1, 1];
        for (uint i = 0; i < 5; i++)
        {
            Answer answer = client.IrqInfo(i);
            Assert.That(answer.Payload, Has.Length.EqualTo(16));
            VfioIrqInfo info = answer.As<VfioIrqInfo>();
            Assert.That(info.ArgSize, Is.EqualTo(16));
            Assert.That(info.Index, Is.EqualTo(i));
            Assert.That(info.Count, Is.EqualTo(counts[i]));
            Assert.That(info.Flags.HasFlag(VfioIrqFlags.EventFd), Is.True);
            Assert.That(info.Flags.HasFlag(VfioIrqFlags.NoResize), Is.False);
        }

        Assert.That(client.IrqInfo(5).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void The_order_of_a_real_client_works_from_end_to_end()
    {
        TestClient client = Connect();
        Assert.That(client.Version(TestClient.ClientJson()).Error, Is.Zero);
        using FileDescriptor ram = MemFd.CreateSealed("ram", 1 << 20);

        // Maps come before anything is asked about the device, some of them without memory behind.
        Assert.That(client.Map(0, 0xA0000, ram).Error, Is.Zero);
        Assert.That(client.Map(0xC0000, 0x20000, null, flags: 1).Error, Is.Zero);
        Assert.That(
            client.Ask(VfioUserCommand.GetInfo, Bytes(new VfioDeviceInfo { ArgSize = 16 })).Error, Is.Zero);
        foreach (uint region in new uint[] { 0, 1, 2, 3, 4, 5, 7 })
        {
            Assert.That(client.RegionInfo(region).Error, Is.Zero);
        }

        Assert.That(client.IrqInfo(3).Error, Is.Zero);
        Answer config = client.Read(7, 0, 256);
        Assert.That(config.Payload, Has.Length.EqualTo(16 + 256));
        Assert.That(config.Payload[16..20], Is.EqualTo(new byte[] { 0xF4, 0x1A, 0x42, 0x10 }));

        // The ROM probe, then BARs, then what MSI-X is made of.
        Assert.That(client.Write(7, 0x30, 0xFF, 0xFF, 0xFF, 0xFF).Error, Is.Zero);
        Assert.That(client.Read(7, 0x30, 4).Payload[16..], Is.All.Zero);
        for (ulong bar = 0x10; bar < 0x28; bar += 4)
        {
            Assert.That(client.Read(7, bar, 4).Error, Is.Zero);
        }

        Assert.That(client.IrqInfo(2).As<VfioIrqInfo>().Count, Is.EqualTo(3));
        using EventFd intx = new();
        using EventFd eoi = new();
        Assert.That(client.SetIrqs(TriggerFds, 0, 0, 1, [intx.Descriptor]).Error, Is.Zero);
        Assert.That(client.SetIrqs(0x14, 0, 0, 1, [eoi.Descriptor]).Error, Is.Zero);
        Assert.That(client.SetIrqs(TriggerNone, 0, 0, 0).Error, Is.Zero);
        Assert.That(client.Ask(VfioUserCommand.Reset, []).Error, Is.Zero);
        Assert.That(client.SetIrqs(TriggerFds, 0, 0, 1, [intx.Descriptor]).Error, Is.Zero);

        // Firmware lays memory out anew.
        Assert.That(client.Unmap(0xC0000, 0x20000).Error, Is.Zero);
        Assert.That(client.Map(0xC0000, 0x20000, ram, 0xC0000).Error, Is.Zero);
        Assert.That(Memory.Current.Count, Is.EqualTo(2));
        Assert.That(client.Write(7, 4, 6, 4).Error, Is.Zero);
        Assert.That(client.Read(7, 4, 2).Payload[16..], Is.EqualTo(new byte[] { 6, 4 }));
    }
}
