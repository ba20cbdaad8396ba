using System.Buffers.Binary;
using FuseFront.Driver;
using RingCore.Posix;
using RingCore.VfioUser;
using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>What the front makes of a PCI device's capability list and of its status.</summary>
public sealed class VirtioPciTransportTests
{
    private const byte Msix = 0x11;
    private const byte Vendor = 0x09;
    private const byte Common = 1;
    private const byte Notify = 2;
    private const byte Device = 4;
    private const byte VendorData = 9;
    private const byte Bar = ScriptedServer.Bar;
    private const uint PlacementAt = 0x900;
    private ScriptedServer _server = null!;

    [SetUp]
    public void StartServer()
    {
        _server = new ScriptedServer();
        _server.BecomeBlockDevice();
    }

    [TearDown]
    public void EndServer() => _server.Dispose();

    [Test]
    public void Short_capability_may_lie_at_the_end_of_the_space()
    {
        AddBlocks();
        _server.AddCapability(0xF0, Msix);
        Assert.That(Find().Notify, Is.EqualTo(new RegisterBlock(Bar, 0x800, 0x100)));
    }

    [Test]
    public void Capabilities_that_this_driver_has_no_use_for_may_be_as_short_as_they_like()
    {
        AddBlocks();
        _server.AddCapability(0x90, Msix);
        _server.AddCapability(0xF0, Vendor, 6, VendorData, 0x34, 0x12);
        _server.AddCapability(0xF8, Vendor, 4, 200);
        _server.AddCapability(0xFC, 0x01);
        Assert.That(Find().Placement, Is.Null);
    }

    [TestCase(Msix, 0, 0xF8)]
    [TestCase(Vendor, Common, 0xF4)]
    [TestCase(Vendor, Notify, 0xF0)]
    public void Capability_that_does_not_fit_into_the_space_is_an_error(byte id, byte type, int at)
    {
        AddBlocks();
        _server.AddCapability(0x90, Msix);
        _server.AddCapability(at, id, 0, type);
        Assert.That(Find, Throws.InstanceOf<ProtocolException>().With.Message.Contains("end of its list"));
    }

    /// <summary>virtio 1.3 §4.1.4.1: what follows may be one that can be used.</summary>
    [Test]
    public void Capability_with_a_reserved_bar_is_ignored()
    {
        _server.AddBlock(0xA0, Common, bar: 6, offset: 0, length: 56);
        _server.AddBlock(0xB0, Notify, bar: 0xFF, offset: 0, length: 56, multiplier: 4);
        AddBlocks();
        AddPlacement(0xD0, bar: 6);
        _server.AddCapability(0x90, Msix);
        VirtioPciCapabilities found = Find();
        Assert.That((found.Common.Bar, found.Notify.Bar, found.Placement), Is.EqualTo((Bar, Bar, (RegisterBlock?)null)));
    }

    [Test]
    public void Block_outside_its_bar_is_an_error()
    {
        AddBlocks(commonAt: ScriptedServer.BarSize - 55);
        _server.AddCapability(0x90, Msix);
        Assert.That(Find, Throws.InstanceOf<ProtocolException>().With.Message.Contains("outside BAR 4"));
    }

    [TestCase(0xFFDu)]
    [TestCase(uint.MaxValue)]
    public void Placement_registers_outside_their_bar_are_an_error(uint offset)
    {
        AddBlocks();
        AddPlacement(0xA0, offset: offset);
        _server.AddCapability(0x90, Msix);
        Assert.That(Find, Throws.InstanceOf<ProtocolException>().With.Message.Contains("outside BAR 4"));
    }

    [Test]
    public void Placement_is_told_for_the_queues_that_have_a_register()
    {
        AddBlocks();
        AddPlacement(0xA0, offset: ScriptedServer.BarSize - 8);
        _server.AddCapability(0x90, Msix);
        List<ulong> written = [];
        VfioUserClient client = _server.Connect();
        using VirtioPciTransport transport = new(client);
        _server.Instead[VfioUserCommand.RegionWrite] = c => written.Add(BitConverter.ToUInt64(c.Payload));
        for (int queue = 0; queue < 4; queue++)
        {
            transport.PlaceQueue(queue, PlacementHint.On(1));
        }

        Assert.That(Enumerable.Range(0, 4).Select(transport.TakesPlacement), Is.EqualTo(new[] { true, true, false, false }));

        _ = client.GetDeviceInfo(); // answered after the writes
        Assert.That(written, Is.EqualTo(new ulong[] { ScriptedServer.BarSize - 8, ScriptedServer.BarSize - 4 }));
    }

    [TestCase(2, ExpectedResult = 2)]
    [TestCase(0, ExpectedResult = 0)]
    [TestCase(3, ExpectedResult = 0, Description = "the third twin has no register")]
    [TestCase(0xFFFF, ExpectedResult = 0)]
    [TestCase(null, ExpectedResult = 0, Description = "an older backend's capability is shorter")]
    public int Twins_are_believed_in_when_all_can_be_placed(int? firstTwin)
    {
        AddBlocks();
        AddPlacement(0xA0, offset: ScriptedServer.BarSize - 16, firstTwin: (ushort?)firstTwin);
        _server.AddCapability(0x90, Msix);
        using VirtioPciTransport transport = new(_server.Connect());
        return transport.FirstTwin;
    }

    [Test]
    public void Reset_that_is_never_done_has_a_deadline()
    {
        const int DeviceStatusRegister = 20;
        AddBlocks();
        _server.AddCapability(0x90, Msix);
        using VirtioPciTransport transport = new(_server.Connect(), resetTimeoutMs: 100);
        transport.Status = 0;
        _server.Registers[DeviceStatusRegister] = 1;
        _server.Instead[VfioUserCommand.RegionWrite] = c => ScriptedServer.Answer(c, c.Payload[..16]);
        Assert.That(
            () => transport.Status = 0,
            Throws.InstanceOf<ProtocolException>().With.Message.Contains("its reset in 0.1 s").And.Property("Errno").EqualTo(Errno.ETIMEDOUT));
    }

    private void AddBlocks(uint commonAt = 0)
    {
        _server.AddBlock(0x40, Common, Bar, commonAt, 56);
        _server.AddBlock(0x50, Notify, Bar, 0x800, 0x100, multiplier: 4);
        _server.AddBlock(0x68, Device, Bar, 0x400, 0x40);
    }

    /// <summary>The placement registers of our own backend.</summary>
    private void AddPlacement(int at, byte bar = Bar, uint offset = PlacementAt, ushort? firstTwin = null)
    {
        byte[] rest = [16, VendorData, 0xFE, 0xFF, bar, 0, 0x76, 0x63, 0x70, 0x75, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32LittleEndian(rest.AsSpan(10), offset);
        if (firstTwin is { } first)
        {
            rest = [.. rest, (byte)first, (byte)(first >> 8), 0, 0];
            rest[0] = 20;
        }

        _server.AddCapability(at, Vendor, rest);
    }

    private VirtioPciCapabilities Find()
    {
        using VfioUserClient client = _server.Connect();
        return VirtioPciCapabilities.Find(client);
    }
}
