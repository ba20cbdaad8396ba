namespace RingCore.CrashTest;

/// <summary>A change that a power cut may lose, wholly or in parts; what is left of it after later ones that it cannot.</summary>
/// <param name="Record">Its number.</param>
/// <param name="Live">Its sectors whose fate is open, in order, none twice.</param>
public sealed record PendingChange(int Record, IReadOnlyList<Piece> Live)
{
    /// <summary>How many sectors are open.</summary>
    public int Sectors => Live.Sum(p => p.Count);

    /// <summary>What is left without the sectors [start, end) of the disk; null when nothing is.</summary>
    internal PendingChange? Without(LogIndex index, long start, long end)
    {
        List<Piece> left = [];
        foreach (Piece piece in Live)
        {
            long first = index.StartOf(piece);
            long before = Math.Clamp(start - first, 0, piece.Count);
            long after = Math.Clamp(first + piece.Count - end, 0, piece.Count);
            if (before + after >= piece.Count)
            {
                left.Add(piece); // no common sector
                continue;
            }

            if (before > 0)
            {
                left.Add(piece with { Count = (int)before });
            }

            if (after > 0)
            {
                left.Add(new Piece(Record, piece.Skip + piece.Count - (int)after, (int)after));
            }
        }

        return left.Count == 0 ? null : this with { Live = left };
    }
}
