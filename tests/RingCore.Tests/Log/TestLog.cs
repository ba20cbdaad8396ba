using RingCore.Log;
using RingCore.Tests.Hosting;

namespace RingCore.Tests.Log;

/// <summary>A log written record by record, in a folder of its own, with the image that it starts from.</summary>
internal sealed unsafe class TestLog : IDisposable
{
    private readonly ScratchFolder _folder = new();
    private readonly LogWriter _writer;
    private bool _closed;

    internal TestLog(long imageLength = 1 << 20, int blockSize = 4096)
    {
        ImageLength = imageLength;
        using (FileStream image = File.Create(BasePath))
        {
            image.SetLength(imageLength);
        }

        _writer = LogWriter.Create(Path, new LogHeader { ImageLength = imageLength, BlockSize = blockSize, Created = DateTimeOffset.UtcNow });
        _writer.Keep();
    }

    internal long ImageLength { get; }

    internal string Path => _folder["disk.log"];

    internal string BasePath => _folder["base.img"];

    internal string this[string name] => _folder[name];

    internal LogWriter Writer => _writer;

    /// <summary>Adds a write that was submitted after all before it, or after record <paramref name="after"/>. Returns its number.</summary>
    internal long Write(long offset, byte[] data, long after = -1, LogFlags flags = LogFlags.None, int error = 0) =>
        Add(LogOperation.Write, offset, data.Length, data, after, flags, error);

    /// <summary>As the other, of <paramref name="sectors"/> sectors filled with a value.</summary>
    internal long Write(int sector, int sectors, byte value, long after = -1, LogFlags flags = LogFlags.None) =>
        Write(sector * 512L, [.. Enumerable.Repeat(value, sectors * 512)], after, flags);

    internal long Zero(LogOperation operation, int sector, int sectors) =>
        Add(operation, sector * 512L, sectors * 512L, [], -1, LogFlags.None, 0);

    internal long Flush(long after = -1, int error = 0) => Add(LogOperation.Flush, 0, 0, [], after, LogFlags.None, error);

    internal long Mark(string text) => _writer.Mark(text);

    /// <summary>Ends the writing, and opens the log.</summary>
    internal LogReader Read()
    {
        if (!_closed)
        {
            _closed = true;
            _writer.Dispose();
        }

        return LogReader.Open(Path);
    }

    private long Add(LogOperation operation, long offset, long length, byte[] data, long after, LogFlags flags, int error)
    {
        LogWriter.Place place = _writer.Take(new LogRecord
        {
            Number = 0,
            After = after < 0 ? _writer.Last : after,
            Operation = operation,
            Flags = flags,
            Offset = offset,
            Length = length,
            Error = error,
            DataLength = data.Length,
        });
        data.CopyTo(new Span<byte>(place.Data, data.Length)); // as much room as was asked for
        place.Filled();
        return place.Number;
    }

    public void Dispose()
    {
        if (!_closed)
        {
            _writer.Dispose();
        }

        _folder.Dispose();
    }
}
