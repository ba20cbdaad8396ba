using RingCore.Log;

namespace RingCore.CrashTest;

/// <summary>
/// All records of a log without their data, which stays in the file: what memory a log of any size costs is some 100 bytes a
/// record. Immutable once loaded; any thread.
/// </summary>
public sealed class LogIndex
{
    private readonly List<LogRecord> _records = [];
    private readonly List<(int Number, string Text)> _marks = [];

    private LogIndex(LogReader log) => Log = log;

    /// <summary>Where the data is.</summary>
    public LogReader Log { get; }

    /// <summary>Number of the last record; the first has 1.</summary>
    public int Count => _records.Count;

    /// <summary>In the log's order.</summary>
    public IReadOnlyList<(int Number, string Text)> Marks => _marks;

    /// <summary>Record by number.</summary>
    public LogRecord this[int number] => _records[number - 1];

    /// <summary>Reads and checks the whole log.</summary>
    /// <param name="log">Stays the caller's, and open.</param>
    /// <param name="progress">Told the share that is read, 0 to 1.</param>
    /// <param name="cancel">Ends it.</param>
    public static LogIndex Load(LogReader log, Action<double>? progress = null, CancellationToken cancel = default)
    {
        LogIndex index = new(log);
        foreach (LogRecord record in log.Scan())
        {
            index._records.Add(record);
            if (record.Operation == LogOperation.Mark)
            {
                index._marks.Add((index.Count, log.ReadText(record)));
            }

            if ((index.Count & 1023) == 0)
            {
                cancel.ThrowIfCancellationRequested();
                progress?.Invoke((double)log.Position / log.FileLength);
            }
        }

        return index;
    }

    /// <summary>How many marks were written up to record <paramref name="number"/>.</summary>
    public int MarksUpTo(int number)
    {
        int low = 0;
        int high = _marks.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _marks[middle].Number <= number ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>The record that a person names: its number, or a mark's text.</summary>
    /// <exception cref="LogException">There is no such one.</exception>
    public int Find(string numberOrMark)
    {
        List<int> found = [.. _marks.Where(m => m.Text == numberOrMark).Select(m => m.Number)];
        if (found.Count == 1)
        {
            return found[0];
        }

        if (found.Count > 1)
        {
            throw new LogException($"{found.Count} marks read '{numberOrMark}'; name one by its record: {string.Join(", ", found.Take(10))}");
        }

        if (int.TryParse(numberOrMark, out int number) && number >= 0 && number <= Count)
        {
            return number;
        }

        throw new LogException($"the log has no record or mark '{numberOrMark}'; use 0 to {Count}, or a mark that 'vdisk log show' lists");
    }

    /// <summary>First sector of a change on the disk.</summary>
    public long StartOf(in Piece piece) => (this[piece.Record].Offset / Piece.SectorSize) + piece.Skip;

    /// <summary>All of a change.</summary>
    public Piece Whole(int number) => new(number, 0, checked((int)(this[number].Length / Piece.SectorSize)));
}
