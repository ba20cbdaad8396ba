using System.Runtime.InteropServices;

namespace FuseFront.Fuse.Wire;

/// <summary>Head of every request: struct fuse_in_header, 40 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseInHeader
{
    /// <summary>Bytes of the whole request, this header included.</summary>
    internal uint Length;
    internal FuseOpcode Opcode;

    /// <summary>The request's name; comes back in the reply. Even for requests, odd for the INTERRUPT of one.</summary>
    internal ulong Unique;
    internal ulong NodeId;
    internal uint Uid;
    internal uint Gid;
    internal uint Pid;

    /// <summary>Length of the extensions at the request's end, in units of 8 bytes.</summary>
    internal ushort TotalExtensionLength;
    internal ushort Padding;
}

/// <summary>Head of every reply: struct fuse_out_header, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseOutHeader
{
    /// <summary>Bytes of the whole reply, this header included.</summary>
    internal uint Length;

    /// <summary>0, or a negative errno; then nothing follows.</summary>
    internal int Error;
    internal ulong Unique;
}
