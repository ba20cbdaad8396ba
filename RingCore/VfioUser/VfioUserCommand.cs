namespace RingCore.VfioUser;

/// <summary>Messages of vfio-user 0.0 (the specification's "Commands").</summary>
public enum VfioUserCommand : ushort
{
    Version = 1,
    DmaMap = 2,
    DmaUnmap = 3,
    GetInfo = 4,
    GetRegionInfo = 5,
    GetRegionIoFds = 6,
    GetIrqInfo = 7,
    SetIrqs = 8,
    RegionRead = 9,
    RegionWrite = 10,

    /// <summary>Server to client.</summary>
    DmaRead = 11,

    /// <summary>Server to client.</summary>
    DmaWrite = 12,
    Reset = 13,
    RegionWriteMulti = 15,
    DeviceFeature = 16,
    MigDataRead = 17,
    MigDataWrite = 18,
}

/// <summary>The flags word of a message's header.</summary>
[Flags]
public enum VfioUserFlags : uint
{
    /// <summary>A request.</summary>
    Command = 0,

    /// <summary>An answer; the type is the low four bits.</summary>
    Reply = 1,

    /// <summary>The bits that hold the type.</summary>
    TypeMask = 0xF,

    /// <summary>The sender wants no answer, not even for an error.</summary>
    NoReply = 0x10,

    /// <summary>The answer is an errno and nothing else.</summary>
    Error = 0x20,
}

/// <summary>Region indices of a PCI device (linux/vfio.h, VFIO_PCI_*_REGION_INDEX).</summary>
public static class VfioPciRegion
{
    public const int Bar0 = 0;
    public const int Bar1 = 1;
    public const int Bar2 = 2;
    public const int Bar4 = 4;
    public const int Bar5 = 5;
    public const int Rom = 6;
    public const int Config = 7;
    public const int Vga = 8;
    public const int Count = 9;
}

/// <summary>Interrupt indices of a PCI device (linux/vfio.h, VFIO_PCI_*_IRQ_INDEX).</summary>
public static class VfioPciIrq
{
    public const int Intx = 0;
    public const int Msi = 1;
    public const int Msix = 2;
    public const int Err = 3;
    public const int Req = 4;
    public const int Count = 5;
}

/// <summary>Flags of GET_INFO's answer.</summary>
[Flags]
public enum VfioDeviceFlags : uint
{
    Reset = 1,
    Pci = 2,
}

/// <summary>Flags of REGION_INFO's answer.</summary>
[Flags]
public enum VfioRegionFlags : uint
{
    None = 0,
    Read = 1,
    Write = 2,
    Mmap = 4,
    Caps = 8,
}

/// <summary>Flags of IRQ_INFO's answer.</summary>
[Flags]
public enum VfioIrqFlags : uint
{
    None = 0,
    EventFd = 1,
    Maskable = 2,
    AutoMasked = 4,

    /// <summary>Vectors cannot be added without disabling the index first.</summary>
    NoResize = 8,
}

/// <summary>Flags of SET_IRQS: one kind of data and one action.</summary>
[Flags]
public enum VfioIrqSetFlags : uint
{
    None = 0,
    DataNone = 1,
    DataBool = 2,
    DataEventFd = 4,
    DataMask = DataNone | DataBool | DataEventFd,
    ActionMask = 8,
    ActionUnmask = 0x10,
    ActionTrigger = 0x20,
    AnyAction = ActionMask | ActionUnmask | ActionTrigger,
}

/// <summary>Flags of DMA_MAP.</summary>
[Flags]
public enum VfioUserDmaMapFlags : uint
{
    None = 0,
    Read = 1,
    Write = 2,
}

/// <summary>Flags of DMA_UNMAP.</summary>
[Flags]
public enum VfioUserDmaUnmapFlags : uint
{
    None = 0,

    /// <summary>Answer with the dirty page bitmap; not offered here.</summary>
    GetDirtyBitmap = 1,

    /// <summary>Every range; address and size are zero.</summary>
    All = 2,
}

/// <summary>Flags of an ioeventfd sub-region (linux/kvm.h, KVM_IOEVENTFD_FLAG_*).</summary>
[Flags]
public enum IoEventFdFlags : uint
{
    None = 0,
    DataMatch = 1,
    Pio = 2,
}
