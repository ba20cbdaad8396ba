using RingCore.Log;

namespace RingCore.CrashTest;

/// <summary>
/// What a log says is stable, and what is not, at each moment of it. The moment t lies after record t has completed and
/// before t + 1 has. A change is stable once a flush completed that was submitted after it had completed, or once it
/// completed itself if it was forced (FUA). Every other change that was submitted may be on the disk or not. One thread.
/// </summary>
public sealed class DiskTimeline
{
    private readonly LogIndex _index;
    private readonly int[] _bySubmission;
    private int _submitted;
    private List<PendingChange> _completed = [];
    private readonly SortedSet<int> _inFlight = [];
    private readonly List<Piece> _steps = [];

    public DiskTimeline(LogIndex index)
    {
        _index = index;
        _bySubmission = [.. Enumerable.Range(1, index.Count).Where(n => index[n].IsChange).OrderBy(n => index[n].After)];
        Submit();
    }

    /// <summary>t: the record that completed last.</summary>
    public int At { get; private set; }

    /// <summary>How much of <see cref="Steps"/> is stable now: all there is of it.</summary>
    public int StepCount => _steps.Count;

    /// <summary>What became stable, in an order in which it can be applied to the base image.</summary>
    public IReadOnlyList<Piece> Steps => _steps;

    /// <summary>Completed and not stable, in the order of completion.</summary>
    public IReadOnlyList<PendingChange> Completed => _completed;

    /// <summary>Submitted and not completed, in the order in which they will.</summary>
    public IEnumerable<PendingChange> InFlight => _inFlight.Select(n => new PendingChange(n, [_index.Whole(n)]));

    /// <summary>Everything whose fate is open.</summary>
    public IReadOnlyList<PendingChange> Open => [.. _completed, .. InFlight];

    /// <summary>Goes on to a moment.</summary>
    public void MoveTo(int number)
    {
        while (At < number)
        {
            At++;
            Complete(_index[At]);
            Submit();
        }
    }

    /// <summary>All the steps of a log.</summary>
    public static IReadOnlyList<Piece> StableSteps(LogIndex index)
    {
        DiskTimeline timeline = new(index);
        timeline.MoveTo(index.Count);
        return timeline._steps;
    }

    /// <summary>All changes in the order of completion: what is on a disk that loses nothing.</summary>
    public static IReadOnlyList<Piece> AllSteps(LogIndex index) =>
        [.. Enumerable.Range(1, index.Count).Where(n => index[n].IsChange).Select(index.Whole)];

    private void Submit()
    {
        while (_submitted < _bySubmission.Length && _index[_bySubmission[_submitted]].After <= At)
        {
            _inFlight.Add(_bySubmission[_submitted++]);
        }
    }

    private void Complete(LogRecord record)
    {
        int number = (int)record.Number;
        if (record.IsBarrier)
        {
            Flush(record.After);
        }
        else if (record.IsChange)
        {
            _inFlight.Remove(number);
            if (record.IsForced)
            {
                Supersede(record);
                _steps.Add(_index.Whole(number));
            }
            else
            {
                _completed.Add(new PendingChange(number, [_index.Whole(number)]));
            }
        }
    }

    private void Flush(long after)
    {
        int covered = _completed.FindIndex(p => p.Record > after);
        covered = covered < 0 ? _completed.Count : covered;
        foreach (PendingChange change in _completed.Take(covered))
        {
            _steps.AddRange(change.Live);
        }

        _completed.RemoveRange(0, covered);
    }

    /// <summary>What completed before a stable change was submitted cannot come up through it any more.</summary>
    private void Supersede(LogRecord stable)
    {
        long start = stable.Offset / Piece.SectorSize;
        long end = start + (stable.Length / Piece.SectorSize);
        _completed = [.. _completed
            .Select(p => p.Record <= stable.After ? p.Without(_index, start, end) : p)
            .OfType<PendingChange>()];
    }
}
