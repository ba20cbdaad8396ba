using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>
/// Gives out a mode's states, in the order of the log. They may repeat; whoever takes them tells by the hash. Each
/// enumeration reads the log's data once. One thread each.
/// </summary>
/// <param name="index">Of the log.</param>
/// <param name="baseImage">The disk before the log.</param>
/// <param name="from">No moment before this.</param>
public sealed class StateWalk(LogIndex index, PositionedFile baseImage, int from)
{
    /// <summary>At each flush and mark, and at the end: what is stable, and all that has completed.</summary>
    public IEnumerable<Candidate> Flush()
    {
        DiskTimeline timeline = new(index);
        ContentHash hash = new(index, baseImage);
        foreach (int at in Moments(n => index[n].IsBarrier || index[n].Operation == Log.LogOperation.Mark))
        {
            Advance(timeline, hash, at);
            yield return Make(CrashMode.Flush, timeline, hash, []);
            yield return Make(CrashMode.Flush, timeline, hash, AllCompleted(timeline));
        }
    }

    /// <summary>At the start, after each change, and at each mark: all that has completed.</summary>
    public IEnumerable<Candidate> Prefix()
    {
        ContentHash hash = new(index, baseImage);
        int steps = 0;
        for (int at = 0; at <= index.Count; at++)
        {
            bool changed = at > 0 && index[at].IsChange;
            if (changed)
            {
                hash.Apply(index.Whole(at));
                hash.Forget(_ => true);
                steps++;
            }

            if (at >= from && (changed || at == from || index[at].Operation == Log.LogOperation.Mark))
            {
                yield return new Candidate(CrashMode.Prefix, at, steps, [], hash.Value, index.MarksUpTo(at));
            }
        }
    }

    /// <summary>Before each moment at which something becomes stable, and at each mark: what is stable and parts of what is not.</summary>
    /// <param name="sampling">Which parts.</param>
    public IEnumerable<Candidate> Reorder(Sampling sampling)
    {
        List<int> moments = [.. Moments(IsBeforeStable)];
        IReadOnlyList<long> budgets = Budgets(moments, sampling);
        DiskTimeline timeline = new(index);
        ContentHash hash = new(index, baseImage);
        HashSet<(ulong, int)> seen = [];
        long left = 0; // what the moments so far did not use
        for (int i = 0; i < moments.Count; i++)
        {
            Advance(timeline, hash, moments[i]);
            left += budgets[i];
            PartsOfChanges parts = new(index, timeline.Open, sampling, moments[i]);
            foreach (IReadOnlyList<Piece> pieces in parts.Enumerate(left))
            {
                Candidate candidate = Make(CrashMode.Reorder, timeline, hash, pieces);
                if (seen.Add((candidate.Hash, candidate.Marks)))
                {
                    left--;
                    yield return candidate;
                }

                if (left <= 0)
                {
                    break;
                }
            }
        }
    }

    /// <summary>All that has completed and is not stable, as one.</summary>
    public static IReadOnlyList<Piece> AllCompleted(LogIndex index, DiskTimeline timeline) =>
        Overlay.Visible(index, [.. timeline.Completed.SelectMany(c => c.Live)]);

    private IReadOnlyList<Piece> AllCompleted(DiskTimeline timeline) => AllCompleted(index, timeline);

    private bool IsBeforeStable(int number) =>
        number == index.Count || index[number].Operation == Log.LogOperation.Mark || index[number + 1].Operation == Log.LogOperation.Mark
        || index[number + 1].IsBarrier || (index[number + 1].IsChange && index[number + 1].IsForced);

    private IEnumerable<int> Moments(Func<int, bool> isOne)
    {
        for (int at = Math.Max(from, 1); at <= index.Count; at++)
        {
            if (at == index.Count || isOne(at))
            {
                yield return at;
            }
        }
    }

    /// <summary>Shares the limit among the moments: all that there is where it is little, the rest evenly.</summary>
    private IReadOnlyList<long> Budgets(List<int> moments, Sampling sampling)
    {
        DiskTimeline timeline = new(index);
        long[] wanted = new long[moments.Count];
        for (int i = 0; i < wanted.Length; i++)
        {
            timeline.MoveTo(moments[i]);
            wanted[i] = PartsOfChanges.CountUpTo(index, timeline.Open, sampling.SectorSize, sampling.Limit);
        }

        long left = sampling.Limit;
        int remaining = wanted.Length;
        foreach (int i in Enumerable.Range(0, wanted.Length).OrderBy(i => wanted[i]))
        {
            wanted[i] = Math.Min(wanted[i], Math.Max(1, left / remaining));
            left = Math.Max(0, left - wanted[i]);
            remaining--;
        }

        return wanted;
    }

    private static void Advance(DiskTimeline timeline, ContentHash hash, int at)
    {
        int before = timeline.StepCount;
        timeline.MoveTo(at);
        for (int i = before; i < timeline.StepCount; i++)
        {
            hash.Apply(timeline.Steps[i]);
        }

        HashSet<int> open = [.. timeline.Open.Select(c => c.Record)];
        hash.Forget(record => !open.Contains(record));
    }

    private Candidate Make(CrashMode mode, DiskTimeline timeline, ContentHash hash, IReadOnlyList<Piece> pieces) =>
        new(mode, timeline.At, timeline.StepCount, pieces, hash.With(pieces), index.MarksUpTo(timeline.At));
}

/// <summary>How much of what is possible is looked at.</summary>
/// <param name="Limit">States at most, all moments together.</param>
/// <param name="Seed">Of the choice, where there is one.</param>
/// <param name="SectorSize">Bytes that reach the disk as one or not at all.</param>
public sealed record Sampling(long Limit, int Seed, int SectorSize);
