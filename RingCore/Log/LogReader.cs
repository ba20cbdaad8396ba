using System.Text;
using RingCore.Posix;

namespace RingCore.Log;

/// <summary>What lies behind the last whole record of a log that was not closed, for instance because its writer was killed.</summary>
/// <param name="Position">Where it starts in the file.</param>
/// <param name="Bytes">How much of it there is.</param>
/// <param name="Reason">Why it is no record.</param>
public sealed record LogTail(long Position, long Bytes, string Reason)
{
    public override string ToString() => $"{Bytes} bytes at {Position} are no whole record ({Reason}); everything before them is good";
}

/// <summary>
/// Reads a log: its header when opened, its records one after the other, data of any of them by position. Every record is
/// checked against its checksum and against the header before it is given out. Scan on one thread; data on any.
/// </summary>
public sealed class LogReader : IDisposable
{
    private const int WindowBytes = 1 << 20;
    private readonly PositionedFile _file;
    private byte[] _window = new byte[WindowBytes];
    private long _windowStart;
    private int _windowLength;

    private LogReader(PositionedFile file, LogHeader header)
    {
        _file = file;
        Header = header;
    }

    public string Path => _file.Path;

    public LogHeader Header { get; }

    /// <summary>Size of the log file when it was opened, bytes.</summary>
    public long FileLength => _file.Length;

    /// <summary>Where the scan is, bytes.</summary>
    public long Position { get; private set; }

    /// <summary>After a scan: what could not be read at the end; null when nothing is left over.</summary>
    public LogTail? Tail { get; private set; }

    /// <exception cref="LogException">It cannot be read, or is no log.</exception>
    public static LogReader Open(string path)
    {
        PositionedFile? file = null;
        try
        {
            file = PositionedFile.Open(path, OpenFlags.ReadOnly);
            byte[] bytes = new byte[LogFormat.HeaderSize];
            int n = file.IsDisk ? file.Read(0, bytes) : 0;
            if (LogFormat.ReadHeader(bytes.AsSpan(0, n), out LogHeader header) is { } wrong)
            {
                throw new LogException($"{path} {wrong}; name a log that 'vdisk attach --record' made");
            }

            LogReader reader = new(file, header);
            file = null;
            return reader;
        }
        catch (PosixException e)
        {
            throw new LogException($"log {path} cannot be read: {Errno.Describe(e.Errno)}; name a log that 'vdisk attach --record' made");
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <summary>All records from the first; ends at the last whole one, and then <see cref="Tail"/> is set.</summary>
    public IEnumerable<LogRecord> Scan()
    {
        long last = 0;
        Position = LogFormat.HeaderSize;
        Tail = null;
        while (Position < FileLength)
        {
            if (Check(Position, last, out LogRecord record) is { } wrong)
            {
                Tail = new LogTail(Position, FileLength - Position, wrong);
                yield break;
            }

            last = record.Number;
            Position += LogFormat.SizeOf(record.DataLength);
            yield return record;
        }
    }

    /// <summary>Reads a piece of a record's data.</summary>
    /// <param name="record">Of this log.</param>
    /// <param name="skip">From this byte of the data on.</param>
    /// <param name="target">As many bytes as it holds.</param>
    public void ReadData(in LogRecord record, long skip, Span<byte> target)
    {
        if (_file.Read(record.DataPosition + skip, target) != target.Length)
        {
            throw new LogException($"log {Path} was cut short while it was read");
        }
    }

    /// <summary>A mark's text.</summary>
    public string ReadText(in LogRecord record)
    {
        byte[] bytes = new byte[record.DataLength];
        ReadData(record, 0, bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>Null for a sound record; else what is wrong with it.</summary>
    private string? Check(long position, long last, out LogRecord record)
    {
        record = default;
        ReadOnlySpan<byte> fixedPart = Window(position, LogFormat.RecordSize);
        if (fixedPart.Length < LogFormat.RecordSize)
        {
            return "cut short";
        }

        if (!LogFormat.TryReadRecord(fixedPart, position, out record))
        {
            return "no record starts here";
        }

        ulong stored = LogFormat.StoredChecksum(fixedPart);
        int size = LogFormat.RecordSize + record.DataLength;
        ReadOnlySpan<byte> whole = Window(position, size);
        if (whole.Length < size)
        {
            return "cut short";
        }

        if (LogFormat.Checksum(whole, whole[LogFormat.RecordSize..]) != stored)
        {
            return "its checksum is wrong";
        }

        return IsPlausible(record, last) ? null : "it does not fit the records before it";
    }

    private bool IsPlausible(in LogRecord record, long last)
    {
        bool hasRange = record.Operation is LogOperation.Write or LogOperation.Discard or LogOperation.WriteZeroes;
        bool isInside = record.Offset >= 0 && record.Length >= 0 && record.Offset <= Header.ImageLength - record.Length;
        bool isAligned = ((record.Offset | record.Length) & 511) == 0;
        bool fits = hasRange ? isInside && isAligned : record.Length == 0;
        bool hasItsData = record.Operation switch
        {
            LogOperation.Write => record.DataLength == record.Length,
            LogOperation.Mark => true,
            _ => record.DataLength == 0,
        };
        return fits && hasItsData && record.Number == last + 1 && record.After >= 0 && record.After < record.Number;
    }

    /// <summary>Bytes of the file, fewer than asked for only at its end; valid until the next call.</summary>
    private ReadOnlySpan<byte> Window(long position, int length)
    {
        if (position < _windowStart || position + length > _windowStart + _windowLength)
        {
            if (length > _window.Length)
            {
                if (position + length > FileLength)
                {
                    return []; // a length that the file cannot hold: no room is made for it
                }

                _window = new byte[length];
            }

            _windowStart = position;
            _windowLength = _file.Read(position, _window.AsSpan(0, (int)Math.Min(_window.Length, Math.Max(0, FileLength - position))));
        }

        int skip = (int)(position - _windowStart);
        return _window.AsSpan(skip, Math.Min(length, _windowLength - skip));
    }
}
