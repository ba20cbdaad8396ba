namespace RingCore.CrashTest;

/// <summary>
/// Finds the least that makes a state fail. It looks from both sides: which of the changes that the state lacks must be
/// missing, with all else there; and which of those that it has must be there, with all else missing. The shorter answer is
/// the cause. What stays out is found by delta debugging: halves, quarters and so on are left out while the check still
/// fails, until nothing more can be. One thread.
/// </summary>
/// <param name="index">Of the log.</param>
/// <param name="bench">Builds and checks.</param>
/// <param name="isBaseSound">The base image passes, and so may serve as the ground to put changes on.</param>
internal sealed class CauseSearch(LogIndex index, Workbench bench, bool isBaseSound)
{
    /// <summary>Checks that one search may take.</summary>
    private const int MaxChecks = 400;

    private readonly Dictionary<string, Verdict> _known = [];
    private int _checks;

    internal SmallestCause Find(FailingState state, CancellationToken cancel)
    {
        Candidate failing = state.Candidate;
        _known.Clear();
        _checks = 0;
        DiskTimeline timeline = new(index);
        timeline.MoveTo(failing.At);
        Ground cut = new(StateStart.Cut, failing.At, timeline.StepCount);
        IReadOnlyList<Piece> completed = StateWalk.AllCompleted(index, timeline);
        IReadOnlyList<Piece> present = failing.Mode == CrashMode.Prefix ? completed : failing.Pieces;

        IReadOnlyList<Piece> open = Overlay.Visible(index, [.. timeline.Open.SelectMany(c => c.Live)]);

        SmallestCause? byLoss = Test(cut, completed, cancel).Passed ? FindLost(cut, completed, present, cancel)
            : Test(cut, open, cancel).Passed ? FindLost(cut, open, present, cancel) : null;
        SmallestCause? byPresence = Test(cut, [], cancel).Passed ? FindApplied(cut, present, cancel) : null;
        if (byLoss is not null || byPresence is not null)
        {
            bool lossIsLess = byPresence is null || (byLoss is not null && Changes(byLoss.Lost) <= Changes(byPresence.Applied));
            return lossIsLess ? byLoss! : byPresence!;
        }

        // Sound neither with all of them nor with none: what made it so lies before, and is stable or in order.
        Ground ground = new(StateStart.Base, failing.At, 0);
        IReadOnlyList<Piece> all = Overlay.Visible(index, [.. timeline.Steps, .. present]);
        return isBaseSound && Test(ground, [], cancel).Passed && !Test(ground, all, cancel).Passed
            ? FindApplied(ground, all, cancel)
            : new SmallestCause(failing.State, [], [], state.Verdict, IsSmallest: true);
    }

    private SmallestCause FindLost(Ground ground, IReadOnlyList<Piece> sound, IReadOnlyList<Piece> present, CancellationToken cancel)
    {
        // Each difference from the sound state with all changes is one that may turn out not to matter.
        List<Difference> differences = Differences(sound, present);
        List<Difference> least = Least(differences, some => !Test(ground, Apply(sound, some), cancel).Passed);
        IReadOnlyList<Piece> pieces = Apply(sound, least);
        return new SmallestCause(
            ground.With(pieces), [], [.. least.SelectMany(d => Minus(d.Without, d.With))], Test(ground, pieces, cancel), HasChecks);
    }

    private SmallestCause FindApplied(Ground ground, IReadOnlyList<Piece> present, CancellationToken cancel)
    {
        List<Difference> least = Least(Differences([], present), some => !Test(ground, Apply([], some), cancel).Passed);
        IReadOnlyList<Piece> pieces = Apply([], least);
        return new SmallestCause(ground.With(pieces), pieces, [], Test(ground, pieces, cancel), HasChecks);
    }

    private bool HasChecks => _checks < MaxChecks;

    /// <summary>
    /// The delta debugging of Zeller and Hildebrandt: <paramref name="fails"/> holds for all of the differences, and for the
    /// result, but for no part of it that lacks one.
    /// </summary>
    private List<Difference> Least(List<Difference> all, Func<List<Difference>, bool> fails)
    {
        List<Difference> current = all;
        int parts = 2;
        while (current.Count > 1 && HasChecks)
        {
            List<Difference>[] chunks = [.. current.Chunk((current.Count + parts - 1) / parts).Select(c => c.ToList())];
            List<Difference>? smaller = chunks.FirstOrDefault(c => c.Count < current.Count && HasChecks && fails(c));
            if (smaller is not null)
            {
                (current, parts) = (smaller, 2);
                continue;
            }

            smaller = chunks.Length < 3 ? null : chunks.Select(c => current.Except(c).ToList()).FirstOrDefault(c => HasChecks && fails(c));
            if (smaller is not null)
            {
                (current, parts) = (smaller, Math.Max(parts - 1, 2));
                continue;
            }

            if (parts >= current.Count)
            {
                break;
            }

            parts = Math.Min(parts * 2, current.Count);
        }

        return current.Count == 1 && HasChecks && fails([]) ? [] : current;
    }

    private Verdict Test(Ground ground, IReadOnlyList<Piece> pieces, CancellationToken cancel)
    {
        CrashState state = ground.With(pieces);
        string key = StateSpec.Format(state);
        if (!_known.TryGetValue(key, out Verdict? verdict))
        {
            _checks++;
            verdict = bench.Judge(state, ground.StepCount, cancel);
            _known.Add(key, verdict);
        }

        return verdict;
    }

    /// <summary>By change: what it has on the disk in one state, and in the other.</summary>
    private static List<Difference> Differences(IReadOnlyList<Piece> without, IReadOnlyList<Piece> with)
    {
        ILookup<int, Piece> before = without.ToLookup(p => p.Record);
        ILookup<int, Piece> after = with.ToLookup(p => p.Record);
        return [.. before.Select(g => g.Key).Union(after.Select(g => g.Key)).Order()
            .Where(n => !before[n].SequenceEqual(after[n]))
            .Select(n => new Difference(n, [.. before[n]], [.. after[n]]))];
    }

    private IReadOnlyList<Piece> Apply(IReadOnlyList<Piece> pieces, List<Difference> differences)
    {
        HashSet<int> changed = [.. differences.Select(d => d.Record)];
        return Overlay.Visible(index, [.. pieces.Where(p => !changed.Contains(p.Record))
            .Concat(differences.SelectMany(d => d.With))
            .OrderBy(p => p.Record).ThenBy(p => p.Skip)]);
    }

    private IReadOnlyList<Piece> Minus(IReadOnlyList<Piece> whole, IReadOnlyList<Piece> part)
    {
        PendingChange? left = whole.Count == 0 ? null : new PendingChange(whole[0].Record, whole);
        foreach (Piece piece in part)
        {
            left = left?.Without(index, index.StartOf(piece), index.StartOf(piece) + piece.Count);
        }

        return left?.Live ?? [];
    }

    private static int Changes(IReadOnlyList<Piece> pieces) => pieces.Select(p => p.Record).Distinct().Count();

    private sealed record Difference(int Record, IReadOnlyList<Piece> Without, IReadOnlyList<Piece> With);

    private sealed record Ground(StateStart Start, int At, int StepCount)
    {
        internal CrashState With(IReadOnlyList<Piece> pieces) => new(Start, At, pieces);
    }
}
