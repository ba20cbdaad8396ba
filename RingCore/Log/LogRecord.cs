namespace RingCore.Log;

/// <summary>
/// One record of the log, without its data. Numbers say what happened before what: a request that completed has a number,
/// counted from 1 in the order of completion, on all queues together; <see cref="After"/> is the highest number given when
/// it was submitted. So whatever has a number up to After completed before this was submitted, and nothing else is certain
/// to have. A flush covers just these.
/// </summary>
public readonly record struct LogRecord
{
    /// <summary>From 1, without gaps; the order of completion.</summary>
    public required long Number { get; init; }

    /// <summary>The last number given when this was submitted; below <see cref="Number"/>.</summary>
    public required long After { get; init; }

    public required LogOperation Operation { get; init; }

    public LogFlags Flags { get; init; }

    /// <summary>The virtqueue; 0 for a mark.</summary>
    public int Queue { get; init; }

    /// <summary>Where on the disk, bytes; a multiple of 512.</summary>
    public long Offset { get; init; }

    /// <summary>How much of the disk, bytes; a multiple of 512. 0 for a flush or mark.</summary>
    public long Length { get; init; }

    /// <summary>Completion, nanoseconds after the log was made.</summary>
    public long TimeNs { get; init; }

    /// <summary>0, or the errno that the request ended with: then what it did is unknown, and it counts for nothing.</summary>
    public int Error { get; init; }

    /// <summary>Bytes of data in the log: a write's, or a mark's text.</summary>
    public int DataLength { get; init; }

    /// <summary>Where in the log file the data starts. Set by the reader.</summary>
    public long DataPosition { get; init; }

    /// <summary>It changed the disk's content.</summary>
    public bool IsChange => Error == 0 && Length > 0;

    /// <summary>It is stable by itself once completed.</summary>
    public bool IsForced => (Flags & LogFlags.ForceUnitAccess) != 0;

    /// <summary>It made others stable.</summary>
    public bool IsBarrier => Operation == LogOperation.Flush && Error == 0;
}
