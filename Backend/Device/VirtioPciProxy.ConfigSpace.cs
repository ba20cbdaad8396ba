using System.Buffers.Binary;
using RingCore.VfioUser;

namespace Backend.Device;

/// <summary>PCI configuration space: identity, BARs, the MSI-X and virtio capabilities, and the configuration access window.</summary>
public sealed partial class VirtioPciProxy
{
    private const byte CapVendor = 0x09;
    private const byte CapMsix = 0x11;
    private const ushort MsixEnable = 0x8000;

    // Offsets in struct virtio_pci_cap and virtio_pci_cfg_cap (§4.1.4).
    private const int CapBar = 4;
    private const int CapOffset = 8;
    private const int CapLength = 12;
    private const int CapWindowData = 16;
    private PciConfigSpace _config = null!;
    private int _msixCapability;
    private int _window;

    private enum VirtioCapType : byte
    {
        Common = 1,
        Notify = 2,
        Isr = 3,
        Device = 4,
        ConfigAccess = 5,
        VendorData = 9,
    }

    private void BuildConfigSpace()
    {
        ushort type = Device.DeviceType;
        uint classCode = type == VirtioPciLayout.BlockDeviceType ? 0x010000u : 0xFF0000u;
        _config = _options.Transitional
            ? new PciConfigSpace(
                VirtioPciLayout.VendorId, VirtioPciLayout.TransitionalDeviceId(type), 0, classCode, VirtioPciLayout.VendorId, type)
            : new PciConfigSpace(
                VirtioPciLayout.VendorId, (ushort)(VirtioPciLayout.ModernDeviceIdBase + type), 1, classCode,
                VirtioPciLayout.VendorId, VirtioPciLayout.ModernSubsystemId);
        _config.AddMemoryBar(VirtioPciLayout.MsixBar, (uint)_regionSizes[VirtioPciLayout.MsixBar], false);
        _config.AddMemoryBar(VirtioPciLayout.ModernBar, VirtioPciLayout.ModernBarSize, true);
        if (_options.Transitional)
        {
            _config.AddIoBar(VirtioPciLayout.LegacyBar, (uint)_regionSizes[VirtioPciLayout.LegacyBar]);
        }

        if (_options.ModernPioNotify)
        {
            _config.AddIoBar(VirtioPciLayout.PioNotifyBar, VirtioPciLayout.PioNotifyBarSize);
        }

        AddCapabilities();
        _config.Seal();
    }

    private void AddCapabilities()
    {
        AddVirtioCapability(VirtioCapType.Common, VirtioPciLayout.ModernBar, VirtioPciLayout.CommonArea, VirtioPciLayout.AreaSize);
        AddVirtioCapability(VirtioCapType.Isr, VirtioPciLayout.ModernBar, VirtioPciLayout.IsrArea, VirtioPciLayout.AreaSize);
        AddVirtioCapability(VirtioCapType.Device, VirtioPciLayout.ModernBar, VirtioPciLayout.DeviceArea, VirtioPciLayout.AreaSize);
        AddVirtioCapability(
            VirtioCapType.Notify, VirtioPciLayout.ModernBar, VirtioPciLayout.NotifyArea, VirtioPciLayout.AreaSize,
            VirtioPciLayout.NotifyMultiplier);
        if (_options.ModernPioNotify)
        {
            // A multiplier of zero: every queue has the same doorbell, and the value written tells them apart.
            AddVirtioCapability(VirtioCapType.Notify, VirtioPciLayout.PioNotifyBar, 0, VirtioPciLayout.PioNotifyBarSize, 0);
        }

        _window = AddVirtioCapability(VirtioCapType.ConfigAccess, 0, 0, 0, 0);
        _config.MakeWritable(_window + CapBar, 1);
        _config.MakeWritable(_window + CapOffset, 12);

        if (Device.TakesPlacement)
        {
            AddPlacementCapability();
        }

        Span<byte> msix = stackalloc byte[10];
        BinaryPrimitives.WriteUInt16LittleEndian(msix, (ushort)(_vectors.Length - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(msix[2..], VirtioPciLayout.MsixBar);
        BinaryPrimitives.WriteUInt32LittleEndian(msix[6..], _pbaOffset | VirtioPciLayout.MsixBar);
        _msixCapability = _config.AddCapability(CapMsix, msix);

        // Enable and function mask.
        _config.MakeWritable(_msixCapability + 3, 1, 0xC0);
    }

    /// <summary>
    /// struct virtio_pci_vndr_data: vendor, then where the placement registers are and which queue is the first twin, for a driver
    /// that knows the magic.
    /// </summary>
    private void AddPlacementCapability()
    {
        Span<byte> body = stackalloc byte[18];
        body.Clear();
        body[0] = (byte)(body.Length + 2);
        body[1] = (byte)VirtioCapType.VendorData;
        BinaryPrimitives.WriteUInt16LittleEndian(body[2..], VirtioPciLayout.PlacementVendorId);
        body[4] = VirtioPciLayout.ModernBar;
        BinaryPrimitives.WriteUInt32LittleEndian(body[6..], VirtioPciLayout.PlacementMagic);
        BinaryPrimitives.WriteUInt32LittleEndian(body[10..], VirtioPciLayout.DeviceArea + VirtioPciLayout.PlacementOffset);
        BinaryPrimitives.WriteUInt16LittleEndian(body[14..], (ushort)Device.FirstTwin);
        _config.AddCapability(CapVendor, body);
    }

    /// <summary>struct virtio_pci_cap, with the fifth word that notify and configuration access have.</summary>
    private int AddVirtioCapability(VirtioCapType type, byte bar, uint offset, uint length, uint? extra = null)
    {
        Span<byte> body = stackalloc byte[extra is null ? 14 : 18];
        body.Clear();
        body[0] = (byte)(body.Length + 2);
        body[1] = (byte)type;
        body[2] = bar;
        BinaryPrimitives.WriteUInt32LittleEndian(body[6..], offset);
        BinaryPrimitives.WriteUInt32LittleEndian(body[10..], length);
        if (extra is { } word)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(body[14..], word);
        }

        return _config.AddCapability(CapVendor, body);
    }

    private void ReadConfigSpace(int offset, Span<byte> data)
    {
        byte status = PciConfigSpace.StatusCapabilities;
        status |= Interrupts.Intx.Isr != 0 ? PciConfigSpace.StatusInterrupt : (byte)0;
        _config.Set8(PciConfigSpace.Status, status);
        if (offset == _window + CapWindowData && data.Length <= 4)
        {
            ReadWindow();
        }

        _config.Read(offset, data);
    }

    private void WriteConfigSpace(int offset, ReadOnlySpan<byte> data)
    {
        _config.Write(offset, data);
        UpdateInterruptMode();
        if (offset == _window + CapWindowData && data.Length <= 4)
        {
            WriteWindow();
        }
    }

    /// <summary>
    /// The window (§4.1.4.9): a read of its data register reads the BAR that it points to. Reads that merely sweep over it, as
    /// a client's of the whole space, have no such effect.
    /// </summary>
    private void ReadWindow()
    {
        if (TryGetWindow(out int bar, out ulong offset, out int length))
        {
            Span<byte> data = _config.Raw(_window + CapWindowData, 4);
            data.Clear();
            ReadRegion(bar, offset, data[..length]);
        }
    }

    private void WriteWindow()
    {
        if (TryGetWindow(out int bar, out ulong offset, out int length))
        {
            WriteRegion(bar, offset, _config.Raw(_window + CapWindowData, length));
        }
    }

    /// <summary>What the window points to, if the driver has set it up as it must: a BAR and 1, 2 or 4 aligned bytes.</summary>
    private bool TryGetWindow(out int bar, out ulong offset, out int length)
    {
        bar = _config.Get8(_window + CapBar);
        uint at = _config.Get32(_window + CapOffset);
        uint size = _config.Get32(_window + CapLength);
        offset = at;
        length = size is 1 or 2 or 4 && at % size == 0 ? (int)size : 0;
        return length != 0 && bar <= VfioPciRegion.Bar5;
    }
}
