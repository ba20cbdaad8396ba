using System.Runtime.InteropServices;

namespace FuseFront.Fuse.Wire;

/// <summary>
/// What an entry of FUSE over io_uring shares with the kernel besides its payload: struct fuse_uring_req_header, 288 bytes.
/// A request's and a reply's head lie in the same place, one after the other.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FuseUringHeaders
{
    /// <summary>Longest argument struct.</summary>
    internal const int ArgumentsCapacity = 128;

    /// <summary><see cref="FuseInHeader"/> of the request, then <see cref="FuseOutHeader"/> of the reply.</summary>
    internal fixed byte InOut[128];

    /// <summary>The request's argument struct.</summary>
    internal fixed byte Arguments[ArgumentsCapacity];

    internal FuseUringEntry Entry;
}

/// <summary>struct fuse_uring_ent_in_out, 32 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseUringEntry
{
    internal ulong Flags;

    /// <summary>Names the request in the commit of its reply.</summary>
    internal ulong CommitId;

    /// <summary>Bytes in the payload: what follows the argument struct, then the reply's body.</summary>
    internal uint PayloadSize;
    internal uint Padding;
    internal ulong Reserved;
}

/// <summary>The command in a submission entry: struct fuse_uring_cmd_req, 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseUringCommand
{
    /// <summary>FUSE_IO_URING_CMD_REGISTER: offers an entry, and takes its first request.</summary>
    internal const uint Register = 1;

    /// <summary>FUSE_IO_URING_CMD_COMMIT_AND_FETCH: sends the reply in an entry, and takes its next request.</summary>
    internal const uint CommitAndFetch = 2;

    internal ulong Flags;
    internal ulong CommitId;

    /// <summary>The FUSE queue, which is a CPU.</summary>
    internal ushort QueueId;
    internal ushort Padding0;
    internal uint Padding1;
}
