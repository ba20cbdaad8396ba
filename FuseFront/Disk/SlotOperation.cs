namespace FuseFront.Disk;

/// <summary>What a slot is doing.</summary>
internal enum SlotStep
{
    Idle,

    /// <summary>One aligned request that ends the operation.</summary>
    Read,
    Write,
    Flush,

    /// <summary>An unaligned write or zeroing: fetch the blocks at its ends, then write the whole.</summary>
    ReadFirstBlock,
    ReadLastBlock,
    WriteMerged,

    /// <summary>Ranges to discard and to zero, piece by piece.</summary>
    Discard,
    WriteZeroes,
}

/// <summary>What the application asked for.</summary>
internal enum SlotKind
{
    Read,
    Write,
    Flush,
    PunchHole,
    ZeroRange,
}

/// <summary>The state of the operation in one slot. Re-used; the queue's thread only.</summary>
internal struct SlotOperation
{
    public SlotKind Kind;
    public SlotStep Step;

    /// <summary>What the application named, in bytes, cut to the disk.</summary>
    public long Offset;
    public long Length;

    /// <summary>For zeroing: bytes done so far, and the piece under way.</summary>
    public long Done;
    public long Piece;

    /// <summary>The gate is entered (or waited at), and how.</summary>
    public bool HoldsExclusive;
    public bool HoldsShared;

    /// <summary>A flush follows the write before it is answered.</summary>
    public bool IsStable;

    /// <summary>Stopwatch ticks at arrival.</summary>
    public long Started;

    public readonly long End => Offset + Length;
}
