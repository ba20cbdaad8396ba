using RingCore.Log;
using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>
/// A file that takes on one state of the disk after another, writing only the sectors in which they differ. What a check
/// writes to it is found and undone. Owns the file and removes it. One thread.
/// </summary>
public sealed class WorkImage : IDisposable
{
    private const int ChunkBytes = 256 * 1024;
    private const int CompareBytes = 4096;
    private readonly LogIndex _index;
    private readonly PositionedFile _base;
    private readonly SectorMap _stable = new();
    private readonly byte[] _buffer = new byte[ChunkBytes];
    private readonly byte[] _expected = new byte[ChunkBytes];
    private PositionedFile _file;
    private IReadOnlyList<Piece> _steps = [];
    private int _stepCount;
    private SectorMap _above = new();
    private IReadOnlyList<Piece> _pieces = [];

    /// <param name="index">Of the log.</param>
    /// <param name="baseImage">The disk before the log; stays the caller's.</param>
    /// <param name="path">The file to make.</param>
    public WorkImage(LogIndex index, PositionedFile baseImage, string path)
    {
        _index = index;
        _base = baseImage;
        Path = path;
        _file = Make();
    }

    /// <summary>Where the file is.</summary>
    public string Path { get; }

    /// <summary>Takes on a state.</summary>
    /// <param name="steps">The list that <paramref name="stepCount"/> counts in; steps are applied for good.</param>
    /// <param name="stepCount">How many of them. Going back is possible, and starts again from the base image.</param>
    /// <param name="visible">Pieces on top, no sector twice.</param>
    public void Become(IReadOnlyList<Piece> steps, int stepCount, IReadOnlyList<Piece> visible)
    {
        if (!ReferenceEquals(steps, _steps) || stepCount < _stepCount)
        {
            Rewind();
            _steps = steps;
        }

        if (stepCount > _stepCount)
        {
            PutOnTop([]);
            for (; _stepCount < stepCount; _stepCount++)
            {
                Add(_stable, _steps[_stepCount]);
                Bring(_steps[_stepCount]);
            }
        }

        PutOnTop(visible);
        _file.StampModified();
    }

    /// <summary>After something else had its hands on the file: makes it again what it was to be.</summary>
    public void Repair()
    {
        if (FileIdentity.Of(Path) is not { } now || !now.IsSameFile(_file.Identity))
        {
            // Replaced by a new file, or removed.
            _file.Dispose();
            File.Delete(Path);
            _file = Make();
            Forget();
            return;
        }

        if (_file.IsModified)
        {
            _file.SetLength(_base.Length);
            Compare();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        File.Delete(Path);
    }

    private PositionedFile Make()
    {
        PositionedFile file = PositionedFile.Open(
            Path, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Exclusive, 0b110_000_000);
        ImageCopy.Copy(file, _base);
        return file;
    }

    private void Forget()
    {
        _stable.Clear();
        _above.Clear();
        _pieces = [];
        _steps = [];
        _stepCount = 0;
    }

    private void Rewind()
    {
        PutOnTop([]);
        foreach ((long sector, int count) in Runs(_stable.Sectors()))
        {
            BringBase(sector, count);
        }

        Forget();
    }

    private void Add(SectorMap map, in Piece piece)
    {
        if (_index[piece.Record].Operation == LogOperation.Write)
        {
            map.Set(_index.StartOf(piece), piece.Count, piece.Record);
        }
        else
        {
            map.SetZeroes(
                _index.StartOf(piece),
                piece.Count,
                piece.Record,
                (sector, count) => !_stable.Touches(sector, count) && _base.IsHole(sector * Piece.SectorSize, count * (long)Piece.SectorSize));
        }
    }

    /// <summary>Replaces what is on top of the steps.</summary>
    private void PutOnTop(IReadOnlyList<Piece> pieces)
    {
        SectorMap wanted = new();
        foreach (Piece piece in pieces)
        {
            Add(wanted, piece);
        }

        foreach (Piece piece in _pieces)
        {
            Differing(piece, sector => _above[sector] != 0 && wanted[sector] == 0, Revert);
        }

        foreach (Piece piece in pieces)
        {
            Differing(piece, sector => wanted[sector] != 0 && _above[sector] != wanted[sector], Bring);
        }

        _above = wanted;
        _pieces = pieces;
    }

    /// <summary>Calls for each run of the piece's sectors that <paramref name="differs"/>.</summary>
    private void Differing(Piece piece, Func<long, bool> differs, Action<Piece> act)
    {
        long start = _index.StartOf(piece);
        int from = 0;
        for (int i = 0; i <= piece.Count; i++)
        {
            if (i < piece.Count && differs(start + i))
            {
                continue;
            }

            if (i > from)
            {
                act(new Piece(piece.Record, piece.Skip + from, i - from));
            }

            from = i + 1;
        }
    }

    /// <summary>Writes a piece of a change.</summary>
    private void Bring(Piece piece)
    {
        LogRecord record = _index[piece.Record];
        long skip = (long)piece.Skip * Piece.SectorSize;
        long length = (long)piece.Count * Piece.SectorSize;
        if (record.Operation != LogOperation.Write)
        {
            _file.Zero(record.Offset + skip, length);
            return;
        }

        while (length > 0)
        {
            Span<byte> part = _buffer.AsSpan(0, (int)Math.Min(ChunkBytes, length));
            _index.Log.ReadData(record, skip, part);
            _file.Write(record.Offset + skip, part);
            skip += part.Length;
            length -= part.Length;
        }
    }

    /// <summary>Writes what is stable where a piece was on top.</summary>
    private void Revert(Piece piece)
    {
        long start = _index.StartOf(piece);
        for (int i = 0; i < piece.Count;)
        {
            int source = _stable[start + i];
            int count = 1;
            while (i + count < piece.Count && _stable[start + i + count] == source)
            {
                count++;
            }

            if (source == 0)
            {
                BringBase(start + i, count);
            }
            else
            {
                long first = _index[source].Offset / Piece.SectorSize;
                Bring(new Piece(source, (int)(start + i - first), count));
            }

            i += count;
        }
    }

    private void BringBase(long sector, int count)
    {
        long offset = sector * Piece.SectorSize;
        long length = (long)count * Piece.SectorSize;
        if (_base.IsHole(offset, length))
        {
            _file.Zero(offset, length);
            return;
        }

        while (length > 0)
        {
            Span<byte> part = _buffer.AsSpan(0, (int)Math.Min(ChunkBytes, length));
            _base.ReadPadded(offset, part);
            _file.Write(offset, part);
            offset += part.Length;
            length -= part.Length;
        }
    }

    /// <summary>Compares all of the file that can differ with what it should hold, and writes what does.</summary>
    private void Compare()
    {
        for (long at = 0; at < _base.Length; at += ChunkBytes)
        {
            int length = (int)Math.Min(ChunkBytes, _base.Length - at);
            long sector = at / Piece.SectorSize;
            int sectors = length / Piece.SectorSize;
            bool touched = _stable.Touches(sector, sectors) || _above.Touches(sector, sectors);
            if (!touched && _file.IsHole(at, length) && _base.IsHole(at, length))
            {
                continue;
            }

            Span<byte> expected = _expected.AsSpan(0, length);
            _base.ReadPadded(at, expected);
            if (touched)
            {
                Patch(expected, sector, sectors);
            }

            Span<byte> found = _buffer.AsSpan(0, length);
            _file.ReadPadded(at, found);
            for (int i = 0; i < length; i += CompareBytes)
            {
                Range block = i..Math.Min(i + CompareBytes, length);
                if (!found[block].SequenceEqual(expected[block]))
                {
                    _file.Write(at + i, expected[block]);
                }
            }
        }
    }

    /// <summary>Puts over the base image's bytes those of the changes.</summary>
    private void Patch(Span<byte> chunk, long sector, int sectors)
    {
        for (int i = 0; i < sectors;)
        {
            int source = SourceOf(sector + i);
            int count = 1;
            while (i + count < sectors && SourceOf(sector + i + count) == source)
            {
                count++;
            }

            if (source != 0)
            {
                LogRecord record = _index[source];
                Span<byte> part = chunk.Slice(i * Piece.SectorSize, count * Piece.SectorSize);
                if (record.Operation == LogOperation.Write)
                {
                    _index.Log.ReadData(record, ((sector + i) * Piece.SectorSize) - record.Offset, part);
                }
                else
                {
                    part.Clear();
                }
            }

            i += count;
        }
    }

    private int SourceOf(long sector) => _above[sector] is var above && above != 0 ? above : _stable[sector];

    private static IEnumerable<(long Sector, int Count)> Runs(IEnumerable<long> sectors)
    {
        long start = -1;
        int count = 0;
        foreach (long sector in sectors.Order())
        {
            if (count > 0 && sector == start + count)
            {
                count++;
                continue;
            }

            if (count > 0)
            {
                yield return (start, count);
            }

            (start, count) = (sector, 1);
        }

        if (count > 0)
        {
            yield return (start, count);
        }
    }
}
