namespace Backend.Device;

/// <summary>Where everything is on the virtio PCI device: the layout that QEMU's own virtio-pci devices have.</summary>
internal static class VirtioPciLayout
{
    internal const ushort VendorId = 0x1AF4;
    internal const ushort ModernDeviceIdBase = 0x1040;
    internal const ushort ModernSubsystemId = 0x1100;
    internal const ushort BlockDeviceType = 2;

    internal const int LegacyBar = 0;
    internal const int MsixBar = 1;
    internal const int PioNotifyBar = 2;
    internal const int ModernBar = 4;

    internal const uint ModernBarSize = 0x4000;
    internal const uint AreaSize = 0x1000;
    internal const uint CommonArea = 0;
    internal const uint IsrArea = 0x1000;
    internal const uint DeviceArea = 0x2000;
    internal const uint NotifyArea = 0x3000;
    internal const uint NotifyMultiplier = 4;

    /// <summary>
    /// Placement registers, in the unused part of the device area and announced by a vendor data capability (virtio 1.3
    /// §4.1.4.8): one u32 a queue, to which the driver writes a <see cref="RingCore.Virtio.PlacementHint"/>.
    /// </summary>
    internal const int PlacementOffset = 0x800;
    internal const ushort PlacementVendorId = 0xFFFE;
    internal const uint PlacementMagic = 0x75706376;
    internal const int MaxQueues = (int)(AreaSize / NotifyMultiplier);

    internal const uint PioNotifyBarSize = 4;
    internal const uint MinMsixBarSize = 0x1000;
    internal const uint MinPbaOffset = 0x800;
    internal const int MsixEntrySize = 16;
    internal const int MaxVectors = 2048;

    // virtio 1.3 §4.1.4.5: ISR status bits.
    internal const int IsrQueue = 1;
    internal const int IsrConfig = 2;

    /// <summary>virtio 1.3 §4.1.2.1: the transitional device id of a device type; 0 for one that has none.</summary>
    internal static ushort TransitionalDeviceId(ushort deviceType) => deviceType switch
    {
        1 => 0x1000,
        2 => 0x1001,
        3 => 0x1003,
        4 => 0x1005,
        5 => 0x1002,
        8 => 0x1004,
        9 => 0x1009,
        _ => 0,
    };

    /// <summary>virtio 1.3 §4.1.4.3: struct virtio_pci_common_cfg.</summary>
    internal static class Common
    {
        internal const int DeviceFeatureSelect = 0;
        internal const int DeviceFeature = 4;
        internal const int DriverFeatureSelect = 8;
        internal const int DriverFeature = 12;
        internal const int ConfigVector = 16;
        internal const int QueueCount = 18;
        internal const int Status = 20;
        internal const int ConfigGeneration = 21;
        internal const int QueueSelect = 22;
        internal const int QueueSize = 24;
        internal const int QueueVector = 26;
        internal const int QueueEnable = 28;
        internal const int QueueNotifyOff = 30;
        internal const int QueueDesc = 32;
        internal const int QueueDriver = 40;
        internal const int QueueDevice = 48;
        internal const int Length = 56;
    }

    /// <summary>virtio 1.3 §4.1.4.10: the legacy register block.</summary>
    internal static class Legacy
    {
        internal const int HostFeatures = 0;
        internal const int GuestFeatures = 4;
        internal const int QueuePfn = 8;
        internal const int QueueSize = 12;
        internal const int QueueSelect = 14;
        internal const int QueueNotify = 16;
        internal const int Status = 18;
        internal const int Isr = 19;
        internal const int ConfigVector = 20;
        internal const int QueueVector = 22;
        internal const int ConfigWithoutMsix = 20;
        internal const int ConfigWithMsix = 24;
        internal const int PageShift = 12;
    }
}
