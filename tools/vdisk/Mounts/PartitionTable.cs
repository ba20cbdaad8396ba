using System.Buffers.Binary;
using RingCore.Hosting;

namespace Vdisk.Mounts;

/// <summary>One partition of a disk, in bytes.</summary>
internal readonly record struct Partition(int Number, long Offset, long Length);

/// <summary>
/// Reads the partitions of a disk with sectors of 512 bytes: GPT (UEFI 2.10 §5.3), or a DOS table with logical partitions.
/// The disk is not trusted: every place it names is checked against its size.
/// </summary>
internal static class PartitionTable
{
    private const int Sector = 512;
    private const int SignatureOffset = 510;
    private const ushort Signature = 0xAA55;
    private const int EntriesOffset = 446;
    private const int EntrySize = 16;
    private const byte ProtectiveGpt = 0xEE;
    private const int MaxLogical = 128;
    private const int MaxGptEntries = 1024;

    /// <summary>The partition called <paramref name="number"/> (1 and up).</summary>
    /// <exception cref="UserErrorException">There is none, or no table.</exception>
    public static Partition Require(string diskFile, int number)
    {
        using var disk = new FileStream(diskFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        IReadOnlyList<Partition> all = Read(disk);
        foreach (Partition partition in all)
        {
            if (partition.Number == number)
            {
                return partition;
            }
        }

        throw new UserErrorException(
            all.Count == 0
                ? "the disk has no partition table; leave --partition out to mount the whole disk"
                : $"the disk has no partition {number}; it has {string.Join(", ", all.Select(p => p.Number))}");
    }

    /// <summary>All partitions in the order of their numbers; none when the disk has no table.</summary>
    public static IReadOnlyList<Partition> Read(Stream disk)
    {
        byte[]? first = ReadSector(disk, 0);
        if (first is null || BinaryPrimitives.ReadUInt16LittleEndian(first.AsSpan(SignatureOffset)) != Signature)
        {
            return [];
        }

        bool isGpt = Enumerable.Range(0, 4).Any(i => Entry(first, i)[4] == ProtectiveGpt);
        return isGpt ? ReadGpt(disk) : ReadDos(disk, first);
    }

    private static List<Partition> ReadGpt(Stream disk)
    {
        const int EntriesLbaOffset = 72, CountOffset = 80, SizeOffset = 84;
        List<Partition> partitions = [];
        byte[]? header = ReadSector(disk, 1);
        if (header is null || !header.AsSpan(0, 8).SequenceEqual("EFI PART"u8))
        {
            return partitions;
        }

        ulong table = BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(EntriesLbaOffset));
        uint count = Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(CountOffset)), MaxGptEntries);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(SizeOffset));
        if (size is < 128 or > 4096 || table > (ulong)disk.Length / Sector)
        {
            return partitions;
        }

        byte[] entry = new byte[size];
        for (uint i = 0; i < count; i++)
        {
            if (!TryReadAt(disk, ((long)table * Sector) + (i * size), entry))
            {
                break;
            }

            ulong firstLba = BinaryPrimitives.ReadUInt64LittleEndian(entry.AsSpan(32));
            ulong lastLba = BinaryPrimitives.ReadUInt64LittleEndian(entry.AsSpan(40));
            bool isUsed = entry.AsSpan(0, 16).IndexOfAnyExcept((byte)0) >= 0;
            if (isUsed && lastLba >= firstLba)
            {
                Add(partitions, disk, (int)i + 1, firstLba, lastLba - firstLba + 1);
            }
        }

        return partitions;
    }

    private static List<Partition> ReadDos(Stream disk, byte[] first)
    {
        List<Partition> partitions = [];
        uint extended = 0;
        for (int i = 0; i < 4; i++)
        {
            (byte type, uint start, uint length) = Fields(Entry(first, i));
            if (IsExtended(type))
            {
                extended = start;
            }
            else if (type != 0)
            {
                Add(partitions, disk, i + 1, start, length);
            }
        }

        // A chain of tables: the first entry is a partition, the second leads on; a loop ends by the count.
        uint next = 0;
        for (int number = 5; extended != 0 && number < 5 + MaxLogical; number++)
        {
            byte[]? table = ReadSector(disk, (long)extended + next);
            if (table is null || BinaryPrimitives.ReadUInt16LittleEndian(table.AsSpan(SignatureOffset)) != Signature)
            {
                break;
            }

            (byte type, uint start, uint length) = Fields(Entry(table, 0));
            if (type != 0)
            {
                Add(partitions, disk, number, (ulong)extended + next + start, length);
            }

            (byte linkType, next, _) = Fields(Entry(table, 1));
            if (!IsExtended(linkType) || next == 0)
            {
                break;
            }
        }

        return partitions;
    }

    private static void Add(List<Partition> partitions, Stream disk, int number, ulong firstSector, ulong sectors)
    {
        ulong all = (ulong)disk.Length / Sector;
        if (firstSector > 0 && firstSector < all && sectors > 0 && sectors <= all - firstSector)
        {
            partitions.Add(new Partition(number, (long)firstSector * Sector, (long)sectors * Sector));
        }
    }

    private static bool IsExtended(byte type) => type is 0x05 or 0x0F or 0x85;

    private static ReadOnlySpan<byte> Entry(byte[] sector, int index) => sector.AsSpan(EntriesOffset + (index * EntrySize), EntrySize);

    private static (byte Type, uint Start, uint Length) Fields(ReadOnlySpan<byte> entry) =>
        (entry[4], BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]), BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]));

    private static byte[]? ReadSector(Stream disk, long sector)
    {
        byte[] buffer = new byte[Sector];
        return TryReadAt(disk, sector * Sector, buffer) ? buffer : null;
    }

    private static bool TryReadAt(Stream disk, long offset, byte[] buffer)
    {
        if (offset < 0 || offset > disk.Length - buffer.Length)
        {
            return false;
        }

        disk.Position = offset;
        return disk.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false) == buffer.Length;
    }
}
