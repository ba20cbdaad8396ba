using System.Buffers.Binary;
using Backend.Device;
using NUnit.Framework;
using RingCore.Memory;
using RingCore.VfioUser;

namespace Backend.Tests.Device;

/// <summary>A transport with a fake device, accessed as a client's messages would, without a socket.</summary>
public abstract class PciFixture
{
    protected const int Modern = VfioPciRegion.Bar4;
    protected const int Notify = 0x3000;
    private GuestMemory _memory = null!;

    protected VirtioPciProxy Proxy { get; private set; } = null!;

    private protected PciFakeDevice Device { get; private set; } = null!;

    [SetUp]
    public void PlugDefault() => Plug();

    [TearDown]
    public void ReleaseMemory() => _memory.Dispose();

    private protected void Plug(VirtioPciOptions? options = null, PciFakeDevice? device = null)
    {
        _memory?.Dispose();
        _memory = new GuestMemory();
        Device = device ?? new PciFakeDevice();
        Proxy = new VirtioPciProxy(_memory, options);
        Proxy.Plug(Device);
    }

    /// <summary>Reads a register; fails the test when it is refused.</summary>
    protected ulong Read(int region, ulong offset, int width)
    {
        byte[] data = new byte[8];
        Assert.That(Proxy.ReadRegion(region, offset, data.AsSpan(0, width)), Is.Zero, $"read {region}:{offset:x}/{width}");
        return BinaryPrimitives.ReadUInt64LittleEndian(data);
    }

    protected void Write(int region, ulong offset, int width, ulong value) =>
        Assert.That(TryWrite(region, offset, width, value), Is.Zero, $"write {region}:{offset:x}/{width}");

    protected int TryRead(int region, ulong offset, int width) => Proxy.ReadRegion(region, offset, new byte[width]);

    protected int TryWrite(int region, ulong offset, int width, ulong value)
    {
        byte[] data = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(data, value);
        return Proxy.WriteRegion(region, offset, data.AsSpan(0, width));
    }

    protected ulong ReadConfig(int offset, int width) => Read(VfioPciRegion.Config, (ulong)offset, width);

    protected void WriteConfig(int offset, int width, ulong value) => Write(VfioPciRegion.Config, (ulong)offset, width, value);

    /// <summary>Offsets of the capabilities with this id, in the order of the list.</summary>
    protected List<int> Capabilities(byte id)
    {
        List<int> found = [];
        int at = (int)ReadConfig(0x34, 1);
        for (int guard = 0; at != 0; guard++)
        {
            Assert.That(guard, Is.LessThan(48), "the capability list loops");
            Assert.That(at & 3, Is.Zero);
            if (ReadConfig(at, 1) == id)
            {
                found.Add(at);
            }

            at = (int)ReadConfig(at + 1, 1);
        }

        return found;
    }

    /// <summary>The virtio capability of a type: (offset in configuration space, BAR, offset in it, length).</summary>
    protected (int At, int Bar, uint Offset, uint Length) VirtioCapability(int type)
    {
        int at = Capabilities(0x09).First(c => (int)ReadConfig(c + 3, 1) == type);
        return (at, (int)ReadConfig(at + 4, 1), (uint)ReadConfig(at + 8, 4), (uint)ReadConfig(at + 12, 4));
    }
}
