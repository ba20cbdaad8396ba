using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NUnit.Framework;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace RingCore.Tests.VhostUser;

/// <summary>Pins every size, offset and number to the specification's tables and to linux/vhost_types.h.</summary>
public class WireStructTests
{
    [Test]
    public void Sizes_are_those_of_the_specification()
    {
        Assert.That(Unsafe.SizeOf<VhostUserHeader>(), Is.EqualTo(VhostUserHeader.Length).And.EqualTo(12));
        Assert.That(Unsafe.SizeOf<VhostUserVringState>(), Is.EqualTo(8));
        Assert.That(Unsafe.SizeOf<VhostUserVringAddress>(), Is.EqualTo(40));
        Assert.That(Unsafe.SizeOf<VhostUserMemoryTable>(), Is.EqualTo(8));
        Assert.That(Unsafe.SizeOf<VhostUserMemoryRegion>(), Is.EqualTo(32));
        Assert.That(Unsafe.SizeOf<VhostUserSingleMemoryRegion>(), Is.EqualTo(40));
        Assert.That(Unsafe.SizeOf<VhostUserConfig>(), Is.EqualTo(12));
        Assert.That(Unsafe.SizeOf<VhostUserInflight>(), Is.EqualTo(20));
        Assert.That(VhostUserInflight.PaddedLength, Is.EqualTo(24));
    }

    [Test]
    public void Fields_are_where_the_specification_puts_them()
    {
        AssertOffsets<VhostUserHeader>(("Request", 0), ("Flags", 4), ("Size", 8));
        AssertOffsets<VhostUserVringState>(("Index", 0), ("Value", 4));
        AssertOffsets<VhostUserVringAddress>(
            ("Index", 0), ("Flags", 4), ("Descriptors", 8), ("Used", 16), ("Available", 24), ("Log", 32));
        AssertOffsets<VhostUserMemoryTable>(("Count", 0), ("Padding", 4));
        AssertOffsets<VhostUserMemoryRegion>(("GuestAddress", 0), ("Size", 8), ("UserAddress", 16), ("MmapOffset", 24));
        AssertOffsets<VhostUserSingleMemoryRegion>(("Padding", 0), ("Region", 8));
        AssertOffsets<VhostUserConfig>(("Offset", 0), ("Size", 4), ("Flags", 8));
        AssertOffsets<VhostUserInflight>(("MmapSize", 0), ("MmapOffset", 8), ("QueueCount", 16), ("QueueSize", 18));
    }

    [TestCase(VhostUserRequest.GetFeatures, 1u)]
    [TestCase(VhostUserRequest.SetFeatures, 2u)]
    [TestCase(VhostUserRequest.SetOwner, 3u)]
    [TestCase(VhostUserRequest.ResetOwner, 4u)]
    [TestCase(VhostUserRequest.SetMemTable, 5u)]
    [TestCase(VhostUserRequest.SetLogBase, 6u)]
    [TestCase(VhostUserRequest.SetLogFd, 7u)]
    [TestCase(VhostUserRequest.SetVringNum, 8u)]
    [TestCase(VhostUserRequest.SetVringAddr, 9u)]
    [TestCase(VhostUserRequest.SetVringBase, 10u)]
    [TestCase(VhostUserRequest.GetVringBase, 11u)]
    [TestCase(VhostUserRequest.SetVringKick, 12u)]
    [TestCase(VhostUserRequest.SetVringCall, 13u)]
    [TestCase(VhostUserRequest.SetVringErr, 14u)]
    [TestCase(VhostUserRequest.GetProtocolFeatures, 15u)]
    [TestCase(VhostUserRequest.SetProtocolFeatures, 16u)]
    [TestCase(VhostUserRequest.GetQueueNum, 17u)]
    [TestCase(VhostUserRequest.SetVringEnable, 18u)]
    [TestCase(VhostUserRequest.SetBackendReqFd, 21u)]
    [TestCase(VhostUserRequest.GetConfig, 24u)]
    [TestCase(VhostUserRequest.SetConfig, 25u)]
    [TestCase(VhostUserRequest.GetInflightFd, 31u)]
    [TestCase(VhostUserRequest.SetInflightFd, 32u)]
    [TestCase(VhostUserRequest.ResetDevice, 34u)]
    [TestCase(VhostUserRequest.GetMaxMemSlots, 36u)]
    [TestCase(VhostUserRequest.AddMemReg, 37u)]
    [TestCase(VhostUserRequest.RemMemReg, 38u)]
    [TestCase(VhostUserRequest.SetStatus, 39u)]
    [TestCase(VhostUserRequest.GetStatus, 40u)]
    public void Requests_have_the_specification_s_numbers(VhostUserRequest request, uint number) =>
        Assert.That((uint)request, Is.EqualTo(number));

    [Test]
    public void Flags_and_features_are_those_on_the_wire()
    {
        Assert.That((uint)(VhostUserFlags.Version1 | VhostUserFlags.Reply), Is.EqualTo(0x5));
        Assert.That((uint)(VhostUserFlags.Version1 | VhostUserFlags.NeedReply), Is.EqualTo(0x9));
        Assert.That(VhostUserVringFd.NoDescriptor, Is.EqualTo(1UL << 8));
        Assert.That((ulong)VirtioFeatures.VhostUserProtocolFeatures, Is.EqualTo(1UL << 30));
        Assert.That((ulong)VhostUserProtocolFeatures.MultiQueue, Is.EqualTo(1UL << 0));
        Assert.That((ulong)VhostUserProtocolFeatures.LogShmFd, Is.EqualTo(1UL << 1));
        Assert.That((ulong)VhostUserProtocolFeatures.ReplyAck, Is.EqualTo(1UL << 3));
        Assert.That((ulong)VhostUserProtocolFeatures.BackendRequests, Is.EqualTo(1UL << 5));
        Assert.That((ulong)VhostUserProtocolFeatures.Config, Is.EqualTo(1UL << 9));
        Assert.That((ulong)VhostUserProtocolFeatures.InflightShmFd, Is.EqualTo(1UL << 12));
        Assert.That((ulong)VhostUserProtocolFeatures.ResetDevice, Is.EqualTo(1UL << 13));
        Assert.That((ulong)VhostUserProtocolFeatures.ConfigureMemSlots, Is.EqualTo(1UL << 15));
        Assert.That((ulong)VhostUserProtocolFeatures.Status, Is.EqualTo(1UL << 16));
    }

    private static void AssertOffsets<T>(params (string Field, int Offset)[] fields)
        where T : unmanaged
    {
        foreach ((string field, int offset) in fields)
        {
            Assert.That((int)Marshal.OffsetOf<T>(field), Is.EqualTo(offset), $"{typeof(T).Name}.{field}");
        }
    }
}
