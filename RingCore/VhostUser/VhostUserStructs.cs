using System.Runtime.InteropServices;

namespace RingCore.VhostUser;

// Wire structs of vhost-user, host endian ("Payload" in QEMU's docs/interop/vhost-user.rst). Sizes and offsets are pinned by a
// test. A single 64-bit integer is a plain ulong.

/// <summary>Precedes every message.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VhostUserHeader
{
    /// <summary>Size of the header in bytes.</summary>
    public const int Length = 12;

    public VhostUserRequest Request;
    public VhostUserFlags Flags;

    /// <summary>Size of the payload in bytes, without this header.</summary>
    public uint Size;

    /// <summary>The version is the one there is.</summary>
    public readonly bool IsVersion1 => (Flags & VhostUserFlags.VersionMask) == VhostUserFlags.Version1;

    public readonly bool IsReply => (Flags & VhostUserFlags.Reply) != 0;

    public readonly bool NeedsReply => (Flags & VhostUserFlags.NeedReply) != 0;
}

/// <summary>SET_VRING_NUM, SET_VRING_BASE, GET_VRING_BASE and its answer, SET_VRING_ENABLE.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VhostUserVringState
{
    public uint Index;

    /// <summary>A ring's size, the position in its available ring, or 1 for enabled.</summary>
    public uint Value;
}

/// <summary>SET_VRING_ADDR. Addresses are the front-end's own (user) addresses, not the guest's.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VhostUserVringAddress
{
    public uint Index;

    /// <summary>1: writes to the used ring are logged.</summary>
    public uint Flags;
    public ulong Descriptors;
    public ulong Used;
    public ulong Available;

    /// <summary>Where writes to the used ring are logged.</summary>
    public ulong Log;
}

/// <summary>The index and flags of SET_VRING_KICK, _CALL and _ERR, which are one 64-bit integer.</summary>
public static class VhostUserVringFd
{
    /// <summary>The bits that hold the ring's index.</summary>
    public const ulong IndexMask = 0xFF;

    /// <summary>No descriptor comes along: the sender wants polling (of kicks), or none (calls, errors).</summary>
    public const ulong NoDescriptor = 0x100;
}

/// <summary>SET_MEM_TABLE; as many <see cref="VhostUserMemoryRegion"/> follow, and as many descriptors come along.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VhostUserMemoryTable
{
    /// <summary>The most regions that one message carries.</summary>
    public const int MaxRegions = 8;

    public uint Count;
    public uint Padding;
}

/// <summary>One region of the front-end's memory.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VhostUserMemoryRegion
{
    /// <summary>Where the guest sees it.</summary>
    public ulong GuestAddress;

    /// <summary>In bytes.</summary>
    public ulong Size;

    /// <summary>Where the front-end sees it; ring addresses are of this kind.</summary>
    public ulong UserAddress;

    /// <summary>Where the region begins in the descriptor's file.</summary>
    public ulong MmapOffset;
}

/// <summary>ADD_MEM_REG and REM_MEM_REG.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VhostUserSingleMemoryRegion
{
    public ulong Padding;
    public VhostUserMemoryRegion Region;
}

/// <summary>GET_CONFIG and its answer, SET_CONFIG; the bytes follow.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VhostUserConfig
{
    /// <summary>The most bytes of configuration space in one message (QEMU's bound).</summary>
    public const int MaxSize = 256;

    public uint Offset;
    public uint Size;

    /// <summary>0: a driver's write; 1: a migration's.</summary>
    public uint Flags;
}

/// <summary>
/// GET_INFLIGHT_FD and its answer, SET_INFLIGHT_FD. C compilers pad it to 24 bytes, and QEMU wants its answers so; 20 are
/// accepted from whoever packs it.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct VhostUserInflight
{
    /// <summary>With the padding that a C compiler puts behind the fields.</summary>
    public const int PaddedLength = 24;

    public ulong MmapSize;

    /// <summary>Where the buffer begins in the descriptor's file.</summary>
    public ulong MmapOffset;
    public ushort QueueCount;
    public ushort QueueSize;
}
