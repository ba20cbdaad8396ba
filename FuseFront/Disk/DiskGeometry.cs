namespace FuseFront.Disk;

/// <summary>What the device says about the disk, as the file's operations need it. Immutable; any thread.</summary>
public sealed record DiskGeometry
{
    /// <summary>Bytes; a multiple of <see cref="BlockSize"/>.</summary>
    public required long Length { get; init; }

    public bool IsReadOnly { get; init; }

    /// <summary>FLUSH was negotiated; without it the device has no cache to flush.</summary>
    public bool CanFlush { get; init; }

    /// <summary>Sectors in one DISCARD, whole blocks; 0 when it was not negotiated.</summary>
    public uint MaxDiscardSectors { get; init; }

    /// <summary>Sectors in one WRITE_ZEROES, whole blocks; 0 when it was not negotiated.</summary>
    public uint MaxWriteZeroesSectors { get; init; }

    public bool CanWriteZeroes => MaxWriteZeroesSectors > 0;

    /// <summary>
    /// Logical block size in bytes: a power of two from 512 to <see cref="FuseFront.Driver.QueueMemory.MaxBlockSize"/>.
    /// </summary>
    public uint BlockSize { get; init; } = 512;
}
