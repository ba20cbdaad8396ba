namespace RingCore.CrashTest;

/// <summary>Pieces in an order, reduced to what is to be seen of each: the last one that covers a sector.</summary>
public static class Overlay
{
    /// <summary>No sector twice; ordered by record, then by place. Equal lists of sectors give equal results.</summary>
    public static IReadOnlyList<Piece> Visible(LogIndex index, IReadOnlyList<Piece> pieces)
    {
        if (pieces.Count <= 1)
        {
            return pieces;
        }

        // From the last to the first: what is covered already is not seen.
        var covered = new SortedList<long, long>(); // start → end, disjoint
        List<Piece> seen = [];
        for (int i = pieces.Count - 1; i >= 0; i--)
        {
            Piece piece = pieces[i];
            long start = index.StartOf(piece);
            long end = start + piece.Count;
            long at = start;
            foreach ((long from, long to) in Overlapping(covered, start, end))
            {
                AddPart(seen, piece, start, at, Math.Min(from, end));
                at = Math.Max(at, to);
            }

            AddPart(seen, piece, start, at, end);
            Cover(covered, start, end);
        }

        seen.Sort((a, b) => a.Record != b.Record ? a.Record.CompareTo(b.Record) : a.Skip.CompareTo(b.Skip));
        return Joined(seen);
    }

    private static void AddPart(List<Piece> seen, Piece piece, long start, long from, long to)
    {
        if (from < to)
        {
            seen.Add(new Piece(piece.Record, piece.Skip + (int)(from - start), (int)(to - from)));
        }
    }

    private static List<Piece> Joined(List<Piece> pieces)
    {
        List<Piece> joined = [];
        foreach (Piece piece in pieces)
        {
            if (joined.Count > 0 && joined[^1] is { } last && last.Record == piece.Record && last.Skip + last.Count == piece.Skip)
            {
                joined[^1] = last with { Count = last.Count + piece.Count };
            }
            else
            {
                joined.Add(piece);
            }
        }

        return joined;
    }

    private static List<(long From, long To)> Overlapping(SortedList<long, long> covered, long start, long end)
    {
        List<(long, long)> found = [];
        for (int i = FirstEndingAfter(covered, start); i < covered.Count && covered.Keys[i] < end; i++)
        {
            found.Add((covered.Keys[i], covered.Values[i]));
        }

        return found;
    }

    private static void Cover(SortedList<long, long> covered, long start, long end)
    {
        int i = FirstEndingAfter(covered, start - 1);
        while (i < covered.Count && covered.Keys[i] <= end)
        {
            start = Math.Min(start, covered.Keys[i]);
            end = Math.Max(end, covered.Values[i]);
            covered.RemoveAt(i);
        }

        covered.Add(start, end);
    }

    /// <summary>Index of the first range whose end lies behind <paramref name="place"/>.</summary>
    private static int FirstEndingAfter(SortedList<long, long> covered, long place)
    {
        int low = 0;
        int high = covered.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = covered.Values[middle] <= place ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
