using System.Runtime.InteropServices;

namespace FuseFront.Fuse.Wire;

/// <summary>What stat shows: struct fuse_attr, 88 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseAttr
{
    internal ulong Ino;
    internal ulong Size;

    /// <summary>Allocated 512-byte blocks.</summary>
    internal ulong Blocks;
    internal ulong Atime;
    internal ulong Mtime;
    internal ulong Ctime;
    internal uint AtimeNs;
    internal uint MtimeNs;
    internal uint CtimeNs;
    internal uint Mode;
    internal uint Nlink;
    internal uint Uid;
    internal uint Gid;
    internal uint Rdev;
    internal uint BlockSize;
    internal uint Flags;
}

/// <summary>Reply to LOOKUP: struct fuse_entry_out, 128 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseEntryOut
{
    internal ulong NodeId;
    internal ulong Generation;
    internal ulong EntryValid;
    internal ulong AttrValid;
    internal uint EntryValidNs;
    internal uint AttrValidNs;
    internal FuseAttr Attr;
}

/// <summary>Reply to GETATTR and SETATTR: struct fuse_attr_out, 104 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseAttrOut
{
    internal ulong AttrValid;
    internal uint AttrValidNs;
    internal uint Dummy;
    internal FuseAttr Attr;
}

/// <summary>SETATTR: struct fuse_setattr_in, 88 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseSetAttrIn
{
    internal const uint ValidMode = 1 << 0;
    internal const uint ValidUid = 1 << 1;
    internal const uint ValidGid = 1 << 2;
    internal const uint ValidSize = 1 << 3;
    internal const uint ValidHandle = 1 << 6;

    internal uint Valid;
    internal uint Padding;
    internal ulong Handle;
    internal ulong Size;
    internal ulong LockOwner;
    internal ulong Atime;
    internal ulong Mtime;
    internal ulong Ctime;
    internal uint AtimeNs;
    internal uint MtimeNs;
    internal uint CtimeNs;
    internal uint Mode;
    internal uint Unused4;
    internal uint Uid;
    internal uint Gid;
    internal uint Unused5;
}

/// <summary>OPEN and OPENDIR: struct fuse_open_in, 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseOpenIn
{
    internal uint Flags;
    internal uint OpenFlags;
}

/// <summary>Reply to OPEN and OPENDIR: struct fuse_open_out, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseOpenOut
{
    /// <summary>FOPEN_DIRECT_IO: no page cache for read and write.</summary>
    internal const uint DirectIo = 1 << 0;

    /// <summary>FOPEN_CACHE_DIR: the kernel may keep the listing.</summary>
    internal const uint CacheDirectory = 1 << 3;

    /// <summary>FOPEN_PARALLEL_DIRECT_WRITES: direct writes of one file are sent in parallel.</summary>
    internal const uint ParallelDirectWrites = 1 << 6;

    internal ulong Handle;
    internal uint OpenFlags;
    internal uint Padding;
}

/// <summary>RELEASE and RELEASEDIR: struct fuse_release_in, 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseReleaseIn
{
    internal ulong Handle;
    internal uint Flags;
    internal uint ReleaseFlags;
    internal ulong LockOwner;
}

/// <summary>Reply to STATFS: struct fuse_statfs_out, 80 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FuseStatFsOut
{
    internal ulong Blocks;
    internal ulong BlocksFree;
    internal ulong BlocksAvailable;
    internal ulong Files;
    internal ulong FilesFree;
    internal uint BlockSize;
    internal uint NameLength;
    internal uint FragmentSize;
    internal uint Padding;
    internal fixed uint Spare[6];
}

/// <summary>One name of a READDIR reply: struct fuse_dirent, 24 bytes and the name, padded to 8.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FuseDirent
{
    internal ulong Ino;

    /// <summary>Where the next READDIR goes on; opaque to the kernel.</summary>
    internal ulong Offset;
    internal uint NameLength;

    /// <summary>DT_REG, DT_DIR: the file type bits of the mode, shifted right by 12.</summary>
    internal uint Type;

    /// <summary>Bytes of the whole record for a name of <paramref name="nameLength"/> bytes (FUSE_DIRENT_SIZE).</summary>
    internal static int RecordLength(int headLength, int nameLength) => (headLength + nameLength + 7) & ~7;
}
