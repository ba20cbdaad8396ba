using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NUnit.Framework;
using RingCore.VfioUser;

namespace RingCore.Tests.VfioUser;

/// <summary>Pins every size and offset to the specification's tables and to linux/vfio.h.</summary>
public class WireStructTests
{
    [Test]
    public void Sizes_are_those_of_the_specification()
    {
        Assert.That(Unsafe.SizeOf<VfioUserHeader>(), Is.EqualTo(VfioUserHeader.Length).And.EqualTo(16));
        Assert.That(Unsafe.SizeOf<VfioUserVersion>(), Is.EqualTo(4));
        Assert.That(Unsafe.SizeOf<VfioUserDmaMap>(), Is.EqualTo(32));
        Assert.That(Unsafe.SizeOf<VfioUserDmaUnmap>(), Is.EqualTo(24));
        Assert.That(Unsafe.SizeOf<VfioDeviceInfo>(), Is.EqualTo(16));
        Assert.That(Unsafe.SizeOf<VfioRegionInfo>(), Is.EqualTo(32));
        Assert.That(Unsafe.SizeOf<VfioUserRegionIoFds>(), Is.EqualTo(16));
        Assert.That(Unsafe.SizeOf<VfioUserSubRegionIoEventFd>(), Is.EqualTo(40));
        Assert.That(Unsafe.SizeOf<VfioIrqInfo>(), Is.EqualTo(16));
        Assert.That(Unsafe.SizeOf<VfioIrqSet>(), Is.EqualTo(20));
        Assert.That(Unsafe.SizeOf<VfioUserRegionAccess>(), Is.EqualTo(16));
    }

    [Test]
    public void Fields_are_where_the_specification_puts_them()
    {
        AssertOffsets<VfioUserHeader>(("Id", 0), ("Command", 2), ("Size", 4), ("Flags", 8), ("Error", 12));
        AssertOffsets<VfioUserVersion>(("Major", 0), ("Minor", 2));
        AssertOffsets<VfioUserDmaMap>(("ArgSize", 0), ("Flags", 4), ("Offset", 8), ("Address", 16), ("Size", 24));
        AssertOffsets<VfioUserDmaUnmap>(("ArgSize", 0), ("Flags", 4), ("Address", 8), ("Size", 16));
        AssertOffsets<VfioDeviceInfo>(("ArgSize", 0), ("Flags", 4), ("RegionCount", 8), ("IrqCount", 12));
        AssertOffsets<VfioRegionInfo>(
            ("ArgSize", 0), ("Flags", 4), ("Index", 8), ("CapOffset", 12), ("Size", 16), ("Offset", 24));
        AssertOffsets<VfioUserRegionIoFds>(("ArgSize", 0), ("Flags", 4), ("Index", 8), ("Count", 12));
        AssertOffsets<VfioUserSubRegionIoEventFd>(
            ("Offset", 0), ("Size", 8), ("FdIndex", 16), ("Type", 20), ("Flags", 24), ("Padding", 28), ("DataMatch", 32));
        AssertOffsets<VfioIrqInfo>(("ArgSize", 0), ("Flags", 4), ("Index", 8), ("Count", 12));
        AssertOffsets<VfioIrqSet>(("ArgSize", 0), ("Flags", 4), ("Index", 8), ("Start", 12), ("Count", 16));
        AssertOffsets<VfioUserRegionAccess>(("Offset", 0), ("Region", 8), ("Count", 12));
    }

    [Test]
    public void Numbers_are_those_on_the_wire()
    {
        Assert.That((ushort)VfioUserCommand.Version, Is.EqualTo(1));
        Assert.That((ushort)VfioUserCommand.DmaMap, Is.EqualTo(2));
        Assert.That((ushort)VfioUserCommand.DmaUnmap, Is.EqualTo(3));
        Assert.That((ushort)VfioUserCommand.GetInfo, Is.EqualTo(4));
        Assert.That((ushort)VfioUserCommand.GetRegionInfo, Is.EqualTo(5));
        Assert.That((ushort)VfioUserCommand.GetRegionIoFds, Is.EqualTo(6));
        Assert.That((ushort)VfioUserCommand.GetIrqInfo, Is.EqualTo(7));
        Assert.That((ushort)VfioUserCommand.SetIrqs, Is.EqualTo(8));
        Assert.That((ushort)VfioUserCommand.RegionRead, Is.EqualTo(9));
        Assert.That((ushort)VfioUserCommand.RegionWrite, Is.EqualTo(10));
        Assert.That((ushort)VfioUserCommand.Reset, Is.EqualTo(13));
        Assert.That((ushort)VfioUserCommand.RegionWriteMulti, Is.EqualTo(15));
        Assert.That((uint)(VfioUserFlags.Reply | VfioUserFlags.Error), Is.EqualTo(0x21));
        Assert.That((uint)VfioUserFlags.NoReply, Is.EqualTo(0x10));
        Assert.That((uint)(VfioIrqSetFlags.DataEventFd | VfioIrqSetFlags.ActionTrigger), Is.EqualTo(0x24));
        Assert.That((uint)(VfioIrqSetFlags.DataNone | VfioIrqSetFlags.ActionTrigger), Is.EqualTo(0x21));
        Assert.That((uint)(VfioIrqSetFlags.DataNone | VfioIrqSetFlags.ActionMask), Is.EqualTo(0x09));
        Assert.That((uint)(VfioIrqSetFlags.DataNone | VfioIrqSetFlags.ActionUnmask), Is.EqualTo(0x11));
        Assert.That((uint)(VfioIrqSetFlags.DataEventFd | VfioIrqSetFlags.ActionUnmask), Is.EqualTo(0x14));
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
