using System.Runtime.InteropServices;

namespace RingCore.Virtio;

/// <summary>Request types of a block device (virtio 1.3 §5.2.6).</summary>
public enum BlkRequestType : uint
{
    In = 0,
    Out = 1,
    Flush = 4,
    GetId = 8,
    Discard = 11,
    WriteZeroes = 13,
}

/// <summary>The status byte that ends a request (virtio 1.3 §5.2.6).</summary>
public enum BlkStatus : byte
{
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
}

/// <summary>The header that begins a request: 16 bytes, device-readable (virtio 1.3 §5.2.6).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BlkRequestHeader
{
    public const int Size = 16;

    public BlkRequestType Type;
    public uint Reserved;

    /// <summary>In units of 512 bytes, whatever <c>blk_size</c> says.</summary>
    public ulong Sector;
}

/// <summary>One range of a DISCARD or WRITE_ZEROES request: 16 bytes (virtio 1.3 §5.2.6).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BlkDiscardSegment
{
    public const int Size = 16;

    /// <summary>WRITE_ZEROES: the device may deallocate the range.</summary>
    public const uint FlagUnmap = 1;

    public ulong Sector;

    /// <summary>In units of 512 bytes.</summary>
    public uint SectorCount;
    public uint Flags;
}

/// <summary>The device configuration of a block device: 60 bytes, little endian (virtio 1.3 §5.2.4).</summary>
[StructLayout(LayoutKind.Explicit, Size = ByteSize)]
public struct BlkConfig
{
    public const int ByteSize = 60;

    /// <summary>Bytes in a sector, the unit of every sector number of the protocol.</summary>
    public const int SectorSize = 512;

    /// <summary>Length of the serial that GET_ID returns; shorter ones end with a NUL.</summary>
    public const int IdLength = 20;

    /// <summary>Offset of <see cref="Writeback"/>, the one field a driver may write.</summary>
    public const int WritebackOffset = 32;

    /// <summary>Sectors.</summary>
    [FieldOffset(0)]
    public ulong Capacity;

    /// <summary>Bytes in one segment.</summary>
    [FieldOffset(8)]
    public uint SizeMax;

    /// <summary>Data segments in one request.</summary>
    [FieldOffset(12)]
    public uint SegMax;

    [FieldOffset(16)]
    public ushort Cylinders;

    [FieldOffset(18)]
    public byte Heads;

    [FieldOffset(19)]
    public byte Sectors;

    /// <summary>Logical block size in bytes.</summary>
    [FieldOffset(20)]
    public uint BlockSize;

    /// <summary>Log2 of the logical blocks in a physical one.</summary>
    [FieldOffset(24)]
    public byte PhysicalBlockExponent;

    [FieldOffset(25)]
    public byte AlignmentOffset;

    /// <summary>Logical blocks.</summary>
    [FieldOffset(26)]
    public ushort MinIoSize;

    /// <summary>Logical blocks.</summary>
    [FieldOffset(28)]
    public uint OptimalIoSize;

    /// <summary>1: the write cache is on.</summary>
    [FieldOffset(WritebackOffset)]
    public byte Writeback;

    [FieldOffset(34)]
    public ushort QueueCount;

    /// <summary>Sectors in one range.</summary>
    [FieldOffset(36)]
    public uint MaxDiscardSectors;

    /// <summary>Ranges in one request.</summary>
    [FieldOffset(40)]
    public uint MaxDiscardSegments;

    /// <summary>Sectors.</summary>
    [FieldOffset(44)]
    public uint DiscardSectorAlignment;

    /// <summary>Sectors in one range.</summary>
    [FieldOffset(48)]
    public uint MaxWriteZeroesSectors;

    /// <summary>Ranges in one request.</summary>
    [FieldOffset(52)]
    public uint MaxWriteZeroesSegments;

    /// <summary>1: WRITE_ZEROES with <see cref="BlkDiscardSegment.FlagUnmap"/> may deallocate.</summary>
    [FieldOffset(56)]
    public byte WriteZeroesMayUnmap;
}
