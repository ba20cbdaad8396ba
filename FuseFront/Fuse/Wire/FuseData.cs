using System.Runtime.InteropServices;

namespace FuseFront.Fuse.Wire;

/// <summary>READ (and READDIR, READDIRPLUS): struct fuse_read_in, 40 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseReadIn
{
    internal ulong Handle;
    internal ulong Offset;
    internal uint Size;
    internal uint ReadFlags;
    internal ulong LockOwner;
    internal uint Flags;
    internal uint Padding;
}

/// <summary>WRITE: struct fuse_write_in, 40 bytes; the data follows.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseWriteIn
{
    internal ulong Handle;
    internal ulong Offset;
    internal uint Size;
    internal uint WriteFlags;
    internal ulong LockOwner;
    internal uint Flags;
    internal uint Padding;
}

/// <summary>Reply to WRITE: struct fuse_write_out, 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseWriteOut
{
    internal uint Size;
    internal uint Padding;
}

/// <summary>FSYNC and FSYNCDIR: struct fuse_fsync_in, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseFsyncIn
{
    /// <summary>FUSE_FSYNC_FDATASYNC: the data only.</summary>
    internal const uint DataOnly = 1;

    internal ulong Handle;
    internal uint FsyncFlags;
    internal uint Padding;
}

/// <summary>FALLOCATE: struct fuse_fallocate_in, 32 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseFallocateIn
{
    internal ulong Handle;
    internal ulong Offset;
    internal ulong Length;
    internal uint Mode;
    internal uint Padding;
}

/// <summary>LSEEK: struct fuse_lseek_in, 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseLseekIn
{
    internal ulong Handle;
    internal ulong Offset;
    internal uint Whence;
    internal uint Padding;
}

/// <summary>Reply to LSEEK: struct fuse_lseek_out, 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseLseekOut
{
    internal ulong Offset;
}

/// <summary>INTERRUPT: struct fuse_interrupt_in, 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseInterruptIn
{
    /// <summary>The request whose caller got a signal.</summary>
    internal ulong Unique;
}
