using System.Buffers.Binary;
using System.IO.Hashing;

namespace RingCore.Log;

/// <summary>
/// The bytes of a log; docs/crash-testing.md has the table. Little-endian throughout. A 64-byte header, then records: 64 bytes,
/// the data, and zeroes up to a multiple of 8. The fixed part of both ends with an XxHash3
/// of what comes before it and, for a record, of its data.
/// </summary>
public static class LogFormat
{
    public const int HeaderSize = 64;
    public const int RecordSize = 64;

    /// <summary>Longest data of one record, bytes.</summary>
    public const int MaxData = 1 << 30;

    internal const int Version = 1;
    private const int ChecksumAt = 56;
    private const uint RecordMagic = 0x43455256; // "VREC"

    internal static ReadOnlySpan<byte> Magic => "VDISKLOG"u8;

    /// <summary>Bytes that a record takes in the log.</summary>
    public static long SizeOf(int dataLength) => (RecordSize + (long)dataLength + 7) & ~7L;

    internal static void WriteHeader(Span<byte> target, LogHeader header)
    {
        target[..HeaderSize].Clear();
        Magic.CopyTo(target);
        BinaryPrimitives.WriteInt32LittleEndian(target[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(target[12..], HeaderSize);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], header.ImageLength);
        BinaryPrimitives.WriteInt32LittleEndian(target[24..], header.BlockSize);
        BinaryPrimitives.WriteInt64LittleEndian(target[32..], (header.Created - DateTimeOffset.UnixEpoch).Ticks * 100);
        BinaryPrimitives.WriteUInt64LittleEndian(target[40..], header.ImageDevice);
        BinaryPrimitives.WriteUInt64LittleEndian(target[48..], header.ImageInode);
        BinaryPrimitives.WriteUInt64LittleEndian(target[ChecksumAt..], XxHash3.HashToUInt64(target[..ChecksumAt]));
    }

    /// <summary>Null when it is the header of this version; else what is wrong with it.</summary>
    internal static string? ReadHeader(ReadOnlySpan<byte> source, out LogHeader header)
    {
        header = new LogHeader { ImageLength = 0, BlockSize = 0, Created = default };
        if (source.Length < Magic.Length || !source[..Magic.Length].SequenceEqual(Magic))
        {
            return "is not a log of vdisk attach --record";
        }

        if (source.Length < HeaderSize)
        {
            return "ends within its header";
        }

        int version = BinaryPrimitives.ReadInt32LittleEndian(source[8..]);
        if (version != Version)
        {
            return $"is a log of version {version}, and this vdisk reads version {Version}";
        }

        long length = BinaryPrimitives.ReadInt64LittleEndian(source[16..]);
        int blockSize = BinaryPrimitives.ReadInt32LittleEndian(source[24..]);
        bool isSound = BinaryPrimitives.ReadUInt64LittleEndian(source[ChecksumAt..]) == XxHash3.HashToUInt64(source[..ChecksumAt])
            && length > 0 && length % 512 == 0 && blockSize is >= 512 and <= 1 << 20 && blockSize % 512 == 0;
        if (!isSound)
        {
            return "has a damaged header";
        }

        header = new LogHeader
        {
            ImageLength = length,
            BlockSize = blockSize,
            Created = DateTimeOffset.UnixEpoch.AddTicks(BinaryPrimitives.ReadInt64LittleEndian(source[32..]) / 100),
            ImageDevice = BinaryPrimitives.ReadUInt64LittleEndian(source[40..]),
            ImageInode = BinaryPrimitives.ReadUInt64LittleEndian(source[48..]),
        };
        return null;
    }

    /// <summary>Writes the fixed part, without number and checksum, which <see cref="Seal"/> adds.</summary>
    internal static void WriteRecord(Span<byte> target, in LogRecord record)
    {
        target[..RecordSize].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(target, RecordMagic);
        target[4] = (byte)record.Operation;
        target[5] = (byte)record.Flags;
        BinaryPrimitives.WriteUInt16LittleEndian(target[6..], (ushort)record.Queue);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], record.Number);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], record.After);
        BinaryPrimitives.WriteInt64LittleEndian(target[24..], record.Offset);
        BinaryPrimitives.WriteInt64LittleEndian(target[32..], record.Length);
        BinaryPrimitives.WriteInt64LittleEndian(target[40..], record.TimeNs);
        BinaryPrimitives.WriteInt32LittleEndian(target[48..], record.DataLength);
        BinaryPrimitives.WriteInt32LittleEndian(target[52..], record.Error);
    }

    /// <summary>Adds the checksum to the record at the start of <paramref name="bytes"/>, and returns the bytes it takes.</summary>
    internal static long Seal(Span<byte> bytes)
    {
        int dataLength = BinaryPrimitives.ReadInt32LittleEndian(bytes[48..]);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[ChecksumAt..], Checksum(bytes, bytes.Slice(RecordSize, dataLength)));
        return SizeOf(dataLength);
    }

    /// <summary>Reads the fixed part; false when it cannot be one. The checksum is not looked at.</summary>
    internal static bool TryReadRecord(ReadOnlySpan<byte> source, long position, out LogRecord record)
    {
        record = new LogRecord
        {
            Operation = (LogOperation)source[4],
            Flags = (LogFlags)source[5],
            Queue = BinaryPrimitives.ReadUInt16LittleEndian(source[6..]),
            Number = BinaryPrimitives.ReadInt64LittleEndian(source[8..]),
            After = BinaryPrimitives.ReadInt64LittleEndian(source[16..]),
            Offset = BinaryPrimitives.ReadInt64LittleEndian(source[24..]),
            Length = BinaryPrimitives.ReadInt64LittleEndian(source[32..]),
            TimeNs = BinaryPrimitives.ReadInt64LittleEndian(source[40..]),
            DataLength = BinaryPrimitives.ReadInt32LittleEndian(source[48..]),
            Error = BinaryPrimitives.ReadInt32LittleEndian(source[52..]),
            DataPosition = position + RecordSize,
        };
        return BinaryPrimitives.ReadUInt32LittleEndian(source) == RecordMagic
            && record.Operation is >= LogOperation.Write and <= LogOperation.Mark
            && record.DataLength is >= 0 and <= MaxData;
    }

    internal static ulong StoredChecksum(ReadOnlySpan<byte> fixedPart) => BinaryPrimitives.ReadUInt64LittleEndian(fixedPart[ChecksumAt..]);

    /// <summary>Of both parts: the data's hash, seeded with that of the fixed part.</summary>
    internal static ulong Checksum(ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> data) =>
        XxHash3.HashToUInt64(data, (long)XxHash3.HashToUInt64(fixedPart[..ChecksumAt]));
}

/// <summary>What a log says about the disk it was taken from.</summary>
public sealed record LogHeader
{
    /// <summary>The disk's size in bytes.</summary>
    public required long ImageLength { get; init; }

    /// <summary>Bytes that the disk told its user it writes as one: its physical block.</summary>
    public required int BlockSize { get; init; }

    /// <summary>When recording began.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>Which file was recorded, as <see cref="Posix.FileIdentity"/> has it; 0 when unknown.</summary>
    public ulong ImageDevice { get; init; }

    public ulong ImageInode { get; init; }
}
