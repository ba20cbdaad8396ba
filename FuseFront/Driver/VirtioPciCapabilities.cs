using System.Buffers.Binary;
using RingCore.Posix;
using RingCore.VfioUser;

namespace FuseFront.Driver;

/// <summary>A block of registers: a range of a BAR.</summary>
public readonly record struct RegisterBlock(int Bar, uint Offset, uint Length);

/// <summary>
/// What the PCI capability list of a virtio device says (virtio 1.3 §4.1.4): where its register blocks lie. Every block lies
/// within a region that the device has.
/// </summary>
public sealed record VirtioPciCapabilities
{
    private const ushort VendorVirtio = 0x1AF4;
    private const ushort ModernBlock = 0x1042;
    private const ushort TransitionalBlock = 0x1001;
    private const int CommandRegister = 4;
    private const ushort CommandMemoryAndBusMaster = 6;
    private const int StatusRegister = 6;
    private const ushort StatusHasCapabilities = 0x10;
    private const int CapabilityPointer = 0x34;
    private const byte CapabilityVendor = 0x09;
    private const byte CapabilityMsix = 0x11;
    private const byte TypeCommon = 1;
    private const byte TypeNotify = 2;
    private const byte TypeDevice = 4;
    private const byte TypeVendorData = 9;
    private const int ConfigSize = 256;
    private const int MsixLength = 12;
    private const int BlockLength = 16;
    private const int NotifyLength = 20;
    private const int PlacementLength = 16;
    private const ushort PlacementVendorId = 0xFFFE;
    private const int FirstTwinLength = 20;
    private const uint PlacementMagic = 0x75706376;
    private const ushort MsixEnable = 0x8000;
    private const int CommonLength = 56;

    public ushort DeviceId { get; private init; }

    public RegisterBlock Common { get; private set; }

    public RegisterBlock Notify { get; private set; }

    public RegisterBlock Device { get; private set; }

    /// <summary>Bytes between the doorbells of two values of queue_notify_off.</summary>
    public uint NotifyMultiplier { get; private set; }

    /// <summary>
    /// Where the device takes placement hints, one u32 a queue; null for a device that takes none. Its length is what the BAR has
    /// room for.
    /// </summary>
    public RegisterBlock? Placement { get; private set; }

    /// <summary>As <see cref="IDriverTransport.FirstTwin"/>; 0 for a device without twins.</summary>
    public int FirstTwin { get; private set; }

    private int MsixOffset { get; set; }

    /// <summary>Reads configuration space, and switches memory access on.</summary>
    /// <exception cref="ProtocolException">The device is not a virtio block device, or its capabilities are broken.</exception>
    public static VirtioPciCapabilities Find(VfioUserClient client)
    {
        Span<byte> config = stackalloc byte[ConfigSize];
        client.Read(VfioPciRegion.Config, 0, config);
        ushort vendor = BinaryPrimitives.ReadUInt16LittleEndian(config);
        ushort device = BinaryPrimitives.ReadUInt16LittleEndian(config[2..]);
        if (vendor != VendorVirtio || device is not (ModernBlock or TransitionalBlock))
        {
            throw new ProtocolException($"the device {vendor:x4}:{device:x4} is not a virtio block device");
        }

        if ((BinaryPrimitives.ReadUInt16LittleEndian(config[StatusRegister..]) & StatusHasCapabilities) == 0)
        {
            throw new ProtocolException("the device has no capability list");
        }

        VirtioPciCapabilities found = new() { DeviceId = device };
        int at = config[CapabilityPointer] & ~3;

        // 48 capabilities fill the space: more mean a loop.
        for (int n = 0; at != 0; n++)
        {
            if (n == 48 || at < 64)
            {
                throw new ProtocolException("the device's capability list is broken");
            }

            found.Take(config, at);
            at = config[at + 1] & ~3;
        }

        found.Check(client);
        client.Write(VfioPciRegion.Config, CommandRegister, CommandMemoryAndBusMaster);
        return found;
    }

    /// <summary>Switches MSI-X on.</summary>
    public void EnableMsix(VfioUserClient client)
    {
        ulong control = (ulong)MsixOffset + 2;
        ushort value = client.Read<ushort>(VfioPciRegion.Config, control);
        client.Write(VfioPciRegion.Config, control, (ushort)(value | MsixEnable));
    }

    private void Take(ReadOnlySpan<byte> config, int at)
    {
        ReadOnlySpan<byte> capability = config[at..];
        if (capability[0] == CapabilityMsix)
        {
            RequireLength(capability, MsixLength);
            MsixOffset = at;
        }
        else if (capability[0] == CapabilityVendor)
        {
            switch (capability[3])
            {
                case TypeCommon or TypeNotify or TypeDevice:
                    RequireLength(capability, capability[3] == TypeNotify ? NotifyLength : BlockLength);
                    TakeBlock(capability);
                    break;
                case TypeVendorData when capability.Length >= PlacementLength:
                    TakePlacement(capability);
                    break;
                default:
                    break; // ISR is for INTx, which this driver does not use; the rest is optional.
            }
        }
    }

    private void TakeBlock(ReadOnlySpan<byte> capability)
    {
        RegisterBlock block = new(
            capability[4],
            BinaryPrimitives.ReadUInt32LittleEndian(capability[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(capability[12..]));
        if (block.Bar > VfioPciRegion.Bar5)
        {
            return; // A reserved value: the driver must ignore the capability (§4.1.4.1).
        }

        // The first of each kind that the driver can use is the preferred one (§4.1.4.1).
        switch (capability[3])
        {
            case TypeCommon when Common.Length == 0:
                Common = block;
                break;
            case TypeNotify when Notify.Length == 0:
                Notify = block;
                NotifyMultiplier = BinaryPrimitives.ReadUInt32LittleEndian(capability[16..]);
                break;
            case TypeDevice when Device.Length == 0:
                Device = block;
                break;
        }
    }

    /// <summary>struct virtio_pci_vndr_data (§4.1.4.8) of our own backend; any other's is none of ours.</summary>
    private void TakePlacement(ReadOnlySpan<byte> capability)
    {
        if (BinaryPrimitives.ReadUInt16LittleEndian(capability[4..]) == PlacementVendorId
            && BinaryPrimitives.ReadUInt32LittleEndian(capability[8..]) == PlacementMagic
            && capability[6] <= VfioPciRegion.Bar5)
        {
            Placement = new RegisterBlock(capability[6], BinaryPrimitives.ReadUInt32LittleEndian(capability[12..]), sizeof(uint));

            // A later addition: an older backend's capability is shorter.
            bool hasTwins = capability[2] >= FirstTwinLength && capability.Length >= FirstTwinLength;
            FirstTwin = hasTwins ? BinaryPrimitives.ReadUInt16LittleEndian(capability[16..]) : 0;
        }
    }

    private void Check(VfioUserClient client)
    {
        if (Common.Length < CommonLength || Notify.Length == 0 || Device.Length == 0 || MsixOffset == 0)
        {
            throw new ProtocolException("the device lacks one of the common, notify, device and MSI-X capabilities");
        }

        foreach (RegisterBlock block in (ReadOnlySpan<RegisterBlock>)[Common, Notify, Device])
        {
            RequireRoom(client, block);
        }

        if (Placement is { } registers)
        {
            ulong room = RequireRoom(client, registers);
            Placement = registers with { Length = (uint)Math.Min(room, uint.MaxValue) };
        }
    }

    /// <summary>Bytes that the BAR has from the block's beginning on: at least its length.</summary>
    private static ulong RequireRoom(VfioUserClient client, RegisterBlock block)
    {
        ulong size = client.GetRegionInfo(block.Bar).Size;
        return (ulong)block.Offset + block.Length <= size
            ? size - block.Offset
            : throw new ProtocolException($"a capability points outside BAR {block.Bar}");
    }

    private static void RequireLength(ReadOnlySpan<byte> capability, int length)
    {
        if (capability.Length < length)
        {
            throw new ProtocolException($"the device has a capability {capability[0]:x2} of less than {length} bytes at the end of its list");
        }
    }
}
