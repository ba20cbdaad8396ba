namespace RingCore.CrashTest;

/// <summary>Sectors of one recorded change that reach the disk.</summary>
/// <param name="Record">The change's number in the log.</param>
/// <param name="Skip">Sectors of the change before these.</param>
/// <param name="Count">How many.</param>
public readonly record struct Piece(int Record, int Skip, int Count)
{
    /// <summary>Bytes of the unit that everything here counts in.</summary>
    public const int SectorSize = 512;
}
