using System.Runtime.InteropServices;

namespace FuseFront.Fuse.Wire;

/// <summary>INIT request as kernels before 7.36 send it, 16 bytes: the beginning of <see cref="FuseInitIn"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseInitInShort
{
    internal uint Major;
    internal uint Minor;
    internal uint MaxReadahead;
    internal uint Flags;
}

/// <summary>INIT request: what the kernel offers. 64 bytes since 7.36.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FuseInitIn
{
    internal uint Major;
    internal uint Minor;
    internal uint MaxReadahead;
    internal uint Flags;
    internal uint Flags2;
    internal fixed uint Unused[11];
}

/// <summary>INIT reply: what this server takes of the offer. 64 bytes since 7.23.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FuseInitOut
{
    internal uint Major;
    internal uint Minor;
    internal uint MaxReadahead;
    internal uint Flags;
    internal ushort MaxBackground;
    internal ushort CongestionThreshold;
    internal uint MaxWrite;
    internal uint TimeGranularity;
    internal ushort MaxPages;
    internal ushort MapAlignment;
    internal uint Flags2;
    internal uint MaxStackDepth;
    internal ushort RequestTimeout;
    internal fixed ushort Unused[11];
}
