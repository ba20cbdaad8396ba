using System.Buffers.Binary;
using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>What a name or descriptor stands for.</summary>
public enum FileKind
{
    Other,
    Regular,
    Directory,
    BlockDevice,
}

/// <summary>What statx(2) and fstatfs(2) tell about an open file.</summary>
public sealed record FileStatus
{
    private const int AtEmptyPath = 0x1000;
    private const uint BasicStats = 0x7FF;
    private const uint DioAlign = 0x2000;
    private const int StatxLength = 256;
    private const int StatfsLength = 120;
    private const uint TmpfsMagic = 0x01021994;
    private const uint RamfsMagic = 0x858458F6;

    public FileKind Kind { get; private init; }

    /// <summary>Size in bytes; 0 for a block device (see <see cref="BlockDevice.GetSize"/>).</summary>
    public long Size { get; private init; }

    /// <summary>Allocated bytes.</summary>
    public long Allocated { get; private init; }

    public ulong Inode { get; private init; }

    /// <summary>The device that holds the file, as in the first column of <c>/proc/self/mountinfo</c>.</summary>
    public uint DeviceMajor { get; private init; }

    public uint DeviceMinor { get; private init; }

    /// <summary>For a block device, its own number.</summary>
    public uint Major { get; private init; }

    public uint Minor { get; private init; }

    /// <summary>Address alignment in bytes that direct I/O needs; 0 when the kernel does not say.</summary>
    public int DirectMemoryAlignment { get; private init; }

    /// <summary>Offset and length alignment in bytes that direct I/O needs; 0 when the kernel does not say.</summary>
    public int DirectOffsetAlignment { get; private init; }

    /// <summary>The file lives in memory only (tmpfs, memfd, ramfs): its I/O never waits for a medium, and syncing does nothing.</summary>
    public bool IsMemory { get; private init; }

    /// <summary>Asks the kernel.</summary>
    /// <exception cref="PosixException">With the errno of statx(2).</exception>
    public static unsafe FileStatus Of(FileDescriptor fd)
    {
        // Both buffers have the size of the kernel's structure.
        byte* x = stackalloc byte[StatxLength];
        Check(Libc.statx(fd.Number, string.Empty, AtEmptyPath, BasicStats | DioAlign, x), "statx");
        byte* fs = stackalloc byte[StatfsLength];
        Check(Libc.fstatfs(fd.Number, fs), "fstatfs");
        FileStatus status = Parse(new ReadOnlySpan<byte>(x, StatxLength));
        uint magic = (uint)*(long*)fs;
        return status with { IsMemory = status.Kind == FileKind.Regular && magic is TmpfsMagic or RamfsMagic };
    }

    /// <summary>Reads the fields of struct statx (include/uapi/linux/stat.h).</summary>
    private static FileStatus Parse(ReadOnlySpan<byte> x)
    {
        bool knowsDio = (U32(x, 0) & DioAlign) != 0;
        return new FileStatus
        {
            Kind = (BinaryPrimitives.ReadUInt16LittleEndian(x[28..]) & 0xF000) switch
            {
                0x8000 => FileKind.Regular,
                0x4000 => FileKind.Directory,
                0x6000 => FileKind.BlockDevice,
                _ => FileKind.Other,
            },
            Inode = MemoryMarshal.Read<ulong>(x[32..]),
            Size = MemoryMarshal.Read<long>(x[40..]),
            Allocated = MemoryMarshal.Read<long>(x[48..]) * 512,
            Major = U32(x, 128),
            Minor = U32(x, 132),
            DeviceMajor = U32(x, 136),
            DeviceMinor = U32(x, 140),
            DirectMemoryAlignment = knowsDio ? (int)U32(x, 152) : 0,
            DirectOffsetAlignment = knowsDio ? (int)U32(x, 156) : 0,
        };
    }

    private static uint U32(ReadOnlySpan<byte> x, int offset) => MemoryMarshal.Read<uint>(x[offset..]);
}
