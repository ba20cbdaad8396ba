using System.Buffers.Binary;
using NUnit.Framework;
using RingCore.Hosting;
using Vdisk.Mounts;

namespace Vdisk.Tests;

public class PartitionTableTests
{
    private const int Sector = 512;
    private const int DiskSectors = 65536;

    [Test]
    public void Disk_without_a_table_has_no_partitions([Values(0, 100, 512, 1024)] int length) =>
        Assert.That(PartitionTable.Read(new MemoryStream(new byte[length])), Is.Empty);

    [Test]
    public void Dos_table_gives_primary_and_logical_partitions()
    {
        byte[] disk = new byte[DiskSectors * Sector];
        PutDos(disk, 0, (0x83, 2048, 2048), (0x05, 4096, 61440));
        PutDos(disk, 4096, (0x83, 2048, 20480), (0x05, 22528, 38912)); // the link counts from the extended partition
        PutDos(disk, 4096 + 22528, (0x83, 2048, 36864));
        Assert.That(
            PartitionTable.Read(new MemoryStream(disk)),
            Is.EqualTo(new[]
            {
                new Partition(1, 2048 * Sector, 2048 * Sector),
                new Partition(5, 6144 * Sector, 20480 * Sector),
                new Partition(6, 28672 * Sector, 36864 * Sector),
            }));
    }

    [Test]
    public void Gpt_gives_its_used_entries()
    {
        byte[] disk = new byte[DiskSectors * Sector];
        PutDos(disk, 0, (0xEE, 1, uint.MaxValue));
        PutGptHeader(disk, tableLba: 2, count: 128, size: 128);
        PutGptEntry(disk, 0, 2048, 22527);
        PutGptEntry(disk, 3, 22528, 65502);
        Assert.That(
            PartitionTable.Read(new MemoryStream(disk)),
            Is.EqualTo(new[]
            {
                new Partition(1, 2048 * Sector, 20480 * Sector),
                new Partition(4, 22528 * Sector, 42975 * Sector),
            }));
    }

    [Test]
    public void Partition_that_leaves_the_disk_is_left_out()
    {
        byte[] disk = new byte[DiskSectors * Sector];
        PutDos(disk, 0, (0x83, DiskSectors - 1, 2), (0x83, DiskSectors, 1), (0x83, uint.MaxValue, uint.MaxValue), (0x83, 8, 8));
        Assert.That(PartitionTable.Read(new MemoryStream(disk)).Select(p => p.Number), Is.EqualTo(new[] { 4 }));
    }

    [Test]
    public void Chain_of_logical_partitions_that_loops_ends()
    {
        byte[] disk = new byte[DiskSectors * Sector];
        PutDos(disk, 0, (0x05, 4096, 61440));
        PutDos(disk, 4096, (0x83, 8, 8), (0x05, 64, 64));
        PutDos(disk, 4096 + 64, (0x83, 8, 8), (0x05, 64, 64)); // leads to itself
        Assert.That(PartitionTable.Read(new MemoryStream(disk)), Has.Count.InRange(1, 200));
    }

    [Test]
    public void Missing_partition_is_named_with_those_there_are()
    {
        string file = Path.GetTempFileName();
        try
        {
            byte[] disk = new byte[DiskSectors * Sector];
            PutDos(disk, 0, (0x83, 2048, 2048));
            File.WriteAllBytes(file, disk);
            Assert.That(PartitionTable.Require(file, 1).Offset, Is.EqualTo(2048 * Sector));
            Assert.That(() => PartitionTable.Require(file, 2), Throws.TypeOf<UserErrorException>().With.Message.Contains("it has 1"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public void Whatever_the_disk_says_partitions_lie_within_it([Values(1, 2, 3, 4)] int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < 500; round++)
        {
            byte[] disk = new byte[64 * Sector];
            random.NextBytes(disk);
            disk[510] = 0x55;
            disk[511] = 0xAA;
            disk[450] = (round % 3) switch { 0 => 0xEE, 1 => 0x05, _ => disk[450] };
            BinaryPrimitives.WriteUInt32LittleEndian(disk.AsSpan(454), (uint)random.Next(64));
            if (round % 3 == 0)
            {
                PutGptHeader(disk, (ulong)random.Next(8), (uint)random.Next(), (uint)random.Next(64, 5000));
            }

            foreach (Partition partition in PartitionTable.Read(new MemoryStream(disk)))
            {
                Assert.That(partition.Offset, Is.InRange(Sector, disk.Length - Sector), $"round {round}");
                Assert.That(partition.Length, Is.InRange(Sector, disk.Length - partition.Offset), $"round {round}");
            }
        }
    }

    private static void PutDos(byte[] disk, int sector, params (byte Type, uint Start, uint Length)[] entries)
    {
        Span<byte> table = disk.AsSpan(sector * Sector, Sector);
        for (int i = 0; i < entries.Length; i++)
        {
            Span<byte> entry = table.Slice(446 + (i * 16), 16);
            entry[4] = entries[i].Type;
            BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], entries[i].Start);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], entries[i].Length);
        }

        table[510] = 0x55;
        table[511] = 0xAA;
    }

    private static void PutGptHeader(byte[] disk, ulong tableLba, uint count, uint size)
    {
        Span<byte> header = disk.AsSpan(Sector, Sector);
        "EFI PART"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt64LittleEndian(header[72..], tableLba);
        BinaryPrimitives.WriteUInt32LittleEndian(header[80..], count);
        BinaryPrimitives.WriteUInt32LittleEndian(header[84..], size);
    }

    private static void PutGptEntry(byte[] disk, int index, ulong firstLba, ulong lastLba)
    {
        Span<byte> entry = disk.AsSpan((2 * Sector) + (index * 128), 128);
        entry[..16].Fill(0x42);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[32..], firstLba);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[40..], lastLba);
    }
}
