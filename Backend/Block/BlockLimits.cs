namespace Backend.Block;

/// <summary>What a block driver can do, and how large it is. Immutable after opening.</summary>
public sealed record BlockLimits
{
    /// <summary>Exact size in bytes; a multiple of 512.</summary>
    public required long Length { get; init; }

    public bool IsReadOnly { get; init; }

    /// <summary>Bytes; a power of two; the smallest write without read-modify-write below.</summary>
    public int PhysicalBlockSize { get; init; } = 4096;

    public bool CanDiscard { get; init; }

    public bool CanWriteZeroes { get; init; }
}
