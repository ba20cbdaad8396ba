namespace RingCore.Aio;

/// <summary>How a context waits.</summary>
public enum FdMonitorKind
{
    /// <summary>io_uring where the kernel allows it, else epoll.</summary>
    Auto,
    Epoll,
    IoUring,
}

/// <summary>Settings of a context.</summary>
public sealed record AioContextOptions
{
    /// <summary>For log lines and thread names.</summary>
    public string Name { get; init; } = "aio";

    public FdMonitorKind Monitor { get; init; } = FdMonitorKind.Auto;

    /// <summary>Longest busy-poll in nanoseconds; 0 never polls.</summary>
    public long PollMaxNs { get; init; }

    /// <summary>Factor by which the polling time grows; 0 takes the default of 2.</summary>
    public long PollGrow { get; init; }

    /// <summary>Divisor by which it shrinks; 0 shrinks to nothing at once.</summary>
    public long PollShrink { get; init; }

    /// <summary>
    /// io_uring: entries of 128 bytes, which FUSE's commands need (IORING_SETUP_SQE128); see
    /// <see cref="AioRing.HasLargeEntries"/>. No effect under epoll.
    /// </summary>
    public bool LargeSubmissionEntries { get; init; }
}
