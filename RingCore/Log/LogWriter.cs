using System.Diagnostics;
using System.Text;
using NLog;
using RingCore.Posix;

namespace RingCore.Log;

/// <summary>
/// Writes a log while a disk works. Queues give it records as requests complete, from any thread: the order in which they
/// come is the order of the log. A queue copies its data into a buffer and goes on; a thread of this object checksums and
/// writes. When both buffers are full a queue waits: the log is never left behind by more than they hold. A log that cannot be
/// written any more (a full file system) ends there, whole up to its last record; the disk goes on.
/// </summary>
public sealed unsafe class LogWriter : IDisposable
{
    private const int BufferBytes = 4 << 20;
    private static readonly Logger Logger = LogManager.GetCurrentClassLogger();
    private readonly PositionedFile _file;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _work = new(0, 1);
    private readonly Thread _thread;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly object _progress = new(); // waited on by whoever needs room, or a record to be written
    private LogBuffer _filling = new(BufferBytes); // guarded by _gate
    private LogBuffer _spare = new(BufferBytes);   // guarded by _gate while !_writing; the thread's otherwise
    private bool _writing;   // guarded by _gate
    private bool _closed;    // guarded by _gate
    private bool _isKept;    // owner's
    private long _last;      // written under _gate, read anywhere
    private long _written;   // guarded by _progress
    private long _position;  // thread's
    private volatile string? _failure; // set once by the thread; partner: every reader of Failure

    private LogWriter(PositionedFile file)
    {
        _file = file;
        _position = LogFormat.HeaderSize;
        _thread = new Thread(Run) { Name = "recorder", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Full path of the log.</summary>
    public string Path => _file.Path;

    /// <summary>Records taken so far. A request reads it when it is submitted: see <see cref="LogRecord.After"/>.</summary>
    public long Last => Volatile.Read(ref _last); // partner: Take, before the completion is told to anyone

    /// <summary>Why recording ended before the disk did; null while all is well.</summary>
    public string? Failure => _failure;

    /// <summary>Bytes in the file.</summary>
    public long BytesWritten => Volatile.Read(ref _position); // partner: the thread, after each write

    /// <summary>
    /// Makes a new log; one that exists is never written over. Until <see cref="Keep"/> it is on trial: disposed without a
    /// record, it is removed.
    /// </summary>
    /// <exception cref="LogException">The file exists, or cannot be made.</exception>
    public static LogWriter Create(string path, LogHeader header)
    {
        string full = System.IO.Path.GetFullPath(path);
        PositionedFile? file = null;
        try
        {
            file = PositionedFile.Open(full, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Exclusive, 0b110_100_100);
            Span<byte> bytes = stackalloc byte[LogFormat.HeaderSize];
            LogFormat.WriteHeader(bytes, header);
            file.Write(0, bytes);
            return new LogWriter(file);
        }
        catch (PosixException e)
        {
            if (file != null)
            {
                file.Dispose();
                File.Delete(full); // made, and not a log: in the way of the next try
            }

            throw new LogException(e.Errno == Errno.EEXIST
                ? $"log {full} exists; choose another name for --record, or remove it"
                : $"log {full} cannot be made: {Errno.Describe(e.Errno)}; choose another place for --record");
        }
    }

    /// <summary>
    /// Takes a record: gives it its number, and room for its data. The caller copies <see cref="LogRecord.DataLength"/> bytes
    /// to <see cref="Place.Data"/> and says <see cref="Place.Filled"/>, soon: the writer waits for it. After a failure
    /// there is a number, but no room.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The data's length is negative or above <see cref="LogFormat.MaxData"/>: no reader would take such a record.
    /// </exception>
    public Place Take(LogRecord record)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(record.DataLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(record.DataLength, LogFormat.MaxData);
        int size = checked((int)LogFormat.SizeOf(record.DataLength));
        while (true)
        {
            lock (_gate)
            {
                byte* place = null;
                if (_failure is null && !_closed)
                {
                    place = _filling.TryTake(size);
                }

                if (place != null || _failure is not null || _closed)
                {
                    long number = _last + 1;
                    Volatile.Write(ref _last, number); // partner: Last
                    if (place == null)
                    {
                        return default;
                    }

                    _filling.LastNumber = number;
                    Wake();
                    return Fill(place, size, record with { Number = number, TimeNs = ElapsedNs }, _filling);
                }
            }

            WaitForRoom();
        }
    }

    /// <summary>Adds a text, and returns its number when it is in the file. Not for a queue's thread.</summary>
    /// <exception cref="LogException">Recording has ended.</exception>
    public long Mark(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Place place = Take(new LogRecord { Number = 0, After = Last, Operation = LogOperation.Mark, DataLength = bytes.Length });
        if (place.Data != null)
        {
            bytes.CopyTo(new Span<byte>(place.Data, bytes.Length)); // as many as were asked for
            place.Filled();
        }

        if (place.Data == null || !WaitUntilWritten(place.Number))
        {
            throw new LogException($"recording to {Path} has ended: {_failure ?? "the disk stops"}");
        }

        return place.Number;
    }

    /// <summary>The log stays from now on, even if it gets no record. Called by whoever disposes it.</summary>
    public void Keep() => _isKept = true;

    /// <summary>Writes out what is there and closes the file. Nobody gives records any more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            Wake();
        }

        _thread.Join();
        _file.Dispose();
        _filling.Dispose();
        _spare.Dispose();
        if (!_isKept && Last == 0)
        {
            File.Delete(Path); // made for nothing: in the way of the next try
        }
    }

    private long ElapsedNs => (long)(Stopwatch.GetElapsedTime(_started).Ticks * 100L);

    private static Place Fill(byte* place, int size, in LogRecord record, LogBuffer buffer)
    {
        // TryTake vouches for size bytes, which hold the fixed part, the data and the padding.
        LogFormat.WriteRecord(new Span<byte>(place, LogFormat.RecordSize), record);
        int end = LogFormat.RecordSize + record.DataLength;
        new Span<byte>(place + end, size - end).Clear();
        return new Place(record.Number, place + LogFormat.RecordSize, buffer);
    }

    /// <summary>Under the gate.</summary>
    private void Wake()
    {
        if (_work.CurrentCount == 0)
        {
            _work.Release();
        }
    }

    private void WaitForRoom()
    {
        lock (_progress)
        {
            long seen = _written;
            lock (_gate)
            {
                if (_failure is not null || !_writing)
                {
                    Wake();
                }
            }

            // The writer pulses after each buffer; the bound is for one that was written between the look and this wait.
            if (seen == _written && _failure is null)
            {
                Monitor.Wait(_progress, 10);
            }
        }
    }

    private bool WaitUntilWritten(long number)
    {
        lock (_progress)
        {
            while (_written < number && _failure is null)
            {
                Monitor.Wait(_progress);
            }

            return _written >= number;
        }
    }

    private void Run()
    {
        while (true)
        {
            _work.Wait();
            LogBuffer full;
            bool closed;
            lock (_gate)
            {
                full = _filling;
                closed = _closed;
                if (full.Used > 0)
                {
                    (_filling, _spare) = (_spare, full);
                    _writing = true;
                }
            }

            if (full.Used > 0)
            {
                WriteOut(full);
            }

            if (closed)
            {
                Finish();
                return;
            }
        }
    }

    private void WriteOut(LogBuffer full)
    {
        SpinWait spin = default;
        while (full.IsFilling)
        {
            spin.SpinOnce(); // a copy is under way on another thread
        }

        long number = full.LastNumber;
        if (_failure is null)
        {
            TryWrite(full);
        }

        lock (_gate)
        {
            full.Used = 0;
            _writing = false;
        }

        lock (_progress)
        {
            _written = _failure is null ? number : _written;
            Monitor.PulseAll(_progress);
        }
    }

    private void TryWrite(LogBuffer full)
    {
        Span<byte> bytes = full.Content;
        for (int at = 0; at < bytes.Length;)
        {
            at += (int)LogFormat.Seal(bytes[at..]);
        }

        try
        {
            _file.Write(_position, bytes);
            Volatile.Write(ref _position, _position + bytes.Length); // partner: BytesWritten
        }
        catch (PosixException e)
        {
            Fail(e);
        }
    }

    private void Finish()
    {
        try
        {
            if (_failure is null)
            {
                _file.Sync();
            }
        }
        catch (PosixException e)
        {
            Fail(e);
        }
    }

    private void Fail(PosixException e)
    {
        _failure = Errno.Describe(e.Errno);
        Logger.Error("recording to {0} has ended: {1}; the log is whole up to byte {2}, the disk goes on", Path, e.Message, _position);
    }

    /// <summary>Where a record's data goes. Default: nowhere, recording has ended.</summary>
    public readonly struct Place
    {
        private readonly LogBuffer? _buffer;

        internal Place(long number, byte* data, LogBuffer buffer)
        {
            Number = number;
            Data = data;
            _buffer = buffer;
        }

        public long Number { get; }

        /// <summary>Room for the data; null when there is none.</summary>
        public byte* Data { get; }

        /// <summary>The data is there.</summary>
        public void Filled() => _buffer?.Filled();
    }
}
