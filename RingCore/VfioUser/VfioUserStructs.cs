using System.Runtime.InteropServices;

namespace RingCore.VfioUser;

// Wire structs of vfio-user, host endian. Each names its message; sizes and offsets are pinned by a test.

/// <summary>Precedes every message.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioUserHeader
{
    /// <summary>Size of the header in bytes.</summary>
    public const int Length = 16;

    /// <summary>Chosen by whoever asks, echoed by whoever answers.</summary>
    public ushort Id;
    public VfioUserCommand Command;

    /// <summary>Size of the whole message in bytes, this header included.</summary>
    public uint Size;
    public VfioUserFlags Flags;

    /// <summary>A positive errno in an answer with <see cref="VfioUserFlags.Error"/>.</summary>
    public uint Error;

    /// <summary>The message is a request (type 0).</summary>
    public readonly bool IsCommand => (Flags & VfioUserFlags.TypeMask) == VfioUserFlags.Command;

    /// <summary>The message is an answer (type 1).</summary>
    public readonly bool IsReply => (Flags & VfioUserFlags.TypeMask) == VfioUserFlags.Reply;

    /// <summary>The sender of this request wants no answer.</summary>
    public readonly bool WantsNoReply => (Flags & VfioUserFlags.NoReply) != 0;
}

/// <summary>VERSION, followed by JSON and a NUL.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioUserVersion
{
    public ushort Major;
    public ushort Minor;
}

/// <summary>DMA_MAP.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioUserDmaMap
{
    public uint ArgSize;
    public VfioUserDmaMapFlags Flags;

    /// <summary>Where the range begins in the descriptor's file.</summary>
    public ulong Offset;
    public ulong Address;
    public ulong Size;
}

/// <summary>DMA_UNMAP, and its answer.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioUserDmaUnmap
{
    public uint ArgSize;
    public VfioUserDmaUnmapFlags Flags;
    public ulong Address;
    public ulong Size;
}

/// <summary>GET_INFO, and its answer.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioDeviceInfo
{
    public uint ArgSize;
    public VfioDeviceFlags Flags;
    public uint RegionCount;
    public uint IrqCount;
}

/// <summary>REGION_INFO, and its answer.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioRegionInfo
{
    public uint ArgSize;
    public VfioRegionFlags Flags;
    public uint Index;
    public uint CapOffset;
    public ulong Size;
    public ulong Offset;
}

/// <summary>REGION_IO_FDS, and the head of its answer.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioUserRegionIoFds
{
    public uint ArgSize;
    public uint Flags;
    public uint Index;
    public uint Count;
}

/// <summary>One ioeventfd in the answer to REGION_IO_FDS.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioUserSubRegionIoEventFd
{
    /// <summary><see cref="Type"/> of an ioeventfd.</summary>
    public const uint TypeIoEventFd = 0;

    /// <summary>Offset within the region.</summary>
    public ulong Offset;

    /// <summary>Length of the write; 0 means any.</summary>
    public ulong Size;

    /// <summary>Which of the descriptors that came along.</summary>
    public uint FdIndex;
    public uint Type;
    public IoEventFdFlags Flags;
    public uint Padding;
    public ulong DataMatch;
}

/// <summary>IRQ_INFO, and its answer.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioIrqInfo
{
    public uint ArgSize;
    public VfioIrqFlags Flags;
    public uint Index;
    public uint Count;
}

/// <summary>SET_IRQS; a byte for each vector follows with <see cref="VfioIrqSetFlags.DataBool"/>.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioIrqSet
{
    public uint ArgSize;
    public VfioIrqSetFlags Flags;
    public uint Index;
    public uint Start;
    public uint Count;
}

/// <summary>REGION_READ and REGION_WRITE, and the head of their answers; data follow.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VfioUserRegionAccess
{
    public ulong Offset;
    public uint Region;
    public uint Count;
}
