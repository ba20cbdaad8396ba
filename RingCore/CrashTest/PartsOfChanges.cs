namespace RingCore.CrashTest;

/// <summary>
/// What of some unstable changes may be on the disk: any of them, in any order, each cut at any sector. As the order only
/// shows where changes overlap, and a cut in what is missing, all that is possible is a choice, for each sector, of one of the
/// changes that cover it, or of none. One thread.
/// </summary>
/// <param name="index">Of the log.</param>
/// <param name="open">The changes, in the order of completion.</param>
/// <param name="sampling">Seed and sector size.</param>
/// <param name="moment">Varies the seed.</param>
internal sealed class PartsOfChanges(LogIndex index, IReadOnlyList<PendingChange> open, Sampling sampling, int moment)
{
    /// <summary>Cuts that leave a comb of a change are tried on changes up to so many sectors.</summary>
    private const int MaxCombSectors = 64;

    private readonly Random _random = new(unchecked((sampling.Seed * 1_000_003) + moment));
    private readonly int _unit = sampling.SectorSize / Piece.SectorSize;

    /// <summary>How many ways there are, or <paramref name="most"/> if there are more.</summary>
    internal static long CountUpTo(LogIndex index, IReadOnlyList<PendingChange> open, int sectorSize, long most)
    {
        long ways = 1;
        foreach (PendingChange change in open)
        {
            long units = change.Live.Sum(p => Units(index, p, sectorSize / Piece.SectorSize).Count());
            if (units > 62 || (ways <<= (int)units) >= most || ways <= 0)
            {
                return most;
            }
        }

        return ways;
    }

    /// <summary>At least as many ways as <paramref name="budget"/> says where there are; some may come twice.</summary>
    internal IEnumerable<IReadOnlyList<Piece>> Enumerate(long budget)
    {
        if (CountUpTo(index, open, sampling.SectorSize, budget + 1) <= budget)
        {
            return Everything();
        }

        return open.Count < 62 && 1L << open.Count <= Math.Max(2, budget / 2)
            ? [.. Subsets(), .. Chosen(budget)]
            : Few(budget).Concat(Chosen(budget));
    }

    /// <summary>Every choice for every unit.</summary>
    private IEnumerable<IReadOnlyList<Piece>> Everything()
    {
        Dictionary<long, List<Piece>> byPlace = [];
        foreach (Piece unit in open.SelectMany(c => c.Live).SelectMany(p => Units(index, p, _unit)))
        {
            // Units of changes that overlap start at the same places, but for those that were cut: those count by themselves.
            long place = index.StartOf(unit);
            if (!byPlace.TryGetValue(place, out List<Piece>? versions))
            {
                byPlace.Add(place, versions = []);
            }

            versions.Add(unit);
        }

        List<Piece>[] places = [.. byPlace.Values];
        int[] choice = new int[places.Length]; // 0: none; else which version
        do
        {
            yield return Overlay.Visible(index, [.. places.Zip(choice).Where(p => p.Second > 0).Select(p => p.First[p.Second - 1])]);
        }
        while (Next(choice, places));
    }

    private static bool Next(int[] choice, List<Piece>[] places)
    {
        for (int i = 0; i < choice.Length; i++)
        {
            if (++choice[i] <= places[i].Count)
            {
                return true;
            }

            choice[i] = 0;
        }

        return false;
    }

    /// <summary>Every set of whole changes, in the order of completion and, where it matters, in the opposite one.</summary>
    private IEnumerable<IReadOnlyList<Piece>> Subsets()
    {
        for (long set = 0; set < 1L << open.Count; set++)
        {
            List<Piece> pieces = [.. open.Where((_, i) => (set >> i & 1) != 0).SelectMany(c => c.Live)];
            IReadOnlyList<Piece> inOrder = Overlay.Visible(index, pieces);
            yield return inOrder;
            if (inOrder.Sum(p => p.Count) < pieces.Sum(p => p.Count))
            {
                pieces.Reverse();
                yield return Overlay.Visible(index, pieces);
            }
        }
    }

    /// <summary>Nothing, everything; everything but one, and one alone, for as many as there is room for.</summary>
    private IEnumerable<IReadOnlyList<Piece>> Few(long budget)
    {
        yield return [];
        yield return Overlay.Visible(index, [.. open.SelectMany(c => c.Live)]);
        int[] order = [.. Enumerable.Range(0, open.Count)];
        _random.Shuffle(order);
        foreach (int one in order.Take((int)Math.Min(order.Length, budget / 3)))
        {
            yield return Overlay.Visible(index, [.. open.Where((_, i) => i != one).SelectMany(c => c.Live)]);
            yield return open[one].Live;
        }
    }

    /// <summary>By chance: how many, which, in which order, and how they are cut.</summary>
    private IEnumerable<IReadOnlyList<Piece>> Chosen(long budget)
    {
        long tries = (budget * 3) + 16; // what comes twice does not count
        for (long i = 0; i < tries; i++)
        {
            double share = _random.Next(4) switch { 0 => 0.1, 1 => 0.9, _ => 0.5 };
            PendingChange[] some = [.. open.Where(_ => _random.NextDouble() < share)];
            if (_random.Next(2) == 0)
            {
                _random.Shuffle(some);
            }

            bool cuts = _random.Next(3) > 0;
            yield return Overlay.Visible(index, [.. some.SelectMany(c => cuts && _random.Next(3) == 0 ? Cut(c) : c.Live)]);
        }
    }

    private IReadOnlyList<Piece> Cut(PendingChange change)
    {
        List<Piece> units = [.. change.Live.SelectMany(p => Units(index, p, _unit))];
        if (units.Count == 1)
        {
            return units;
        }

        int at = _random.Next(1, units.Count);
        return _random.Next(3) switch
        {
            0 when units.Count <= MaxCombSectors => [.. units.Where(_ => _random.Next(2) == 0)],
            1 => [.. units.Skip(at)],
            _ => [.. units.Take(at)],
        };
    }

    /// <summary>A piece cut at the places of the disk that are multiples of the unit.</summary>
    private static IEnumerable<Piece> Units(LogIndex index, Piece piece, int unit)
    {
        long start = index.StartOf(piece);
        for (int done = 0; done < piece.Count;)
        {
            int count = (int)Math.Min(unit - ((start + done) % unit), piece.Count - done);
            yield return piece with { Skip = piece.Skip + done, Count = count };
            done += count;
        }
    }
}
