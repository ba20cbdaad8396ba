namespace RingCore.Posix;

/// <summary>IORING_SETUP_*: how a ring is created (io_uring_setup(2)).</summary>
[Flags]
public enum IoUringSetup : uint
{
    None = 0,
    IoPoll = 1 << 0,
    CqSize = 1 << 3,
    Clamp = 1 << 4,
    Disabled = 1 << 6,

    /// <summary>A bad entry does not keep the ones behind it from being submitted (Linux 5.18).</summary>
    SubmitAll = 1 << 7,

    /// <summary>Completions do not interrupt the thread; they are reaped at its next kernel entry (5.19).</summary>
    CoopTaskRun = 1 << 8,

    /// <summary>The ring says when an enter would find completions (5.19): <see cref="IoUring.HasKernelWork"/>.</summary>
    TaskRunFlag = 1 << 9,

    /// <summary>Entries of 128 bytes, of which 80 are a command (5.19).</summary>
    Sqe128 = 1 << 10,

    /// <summary>Completions of 32 bytes (5.19). Not offered by <see cref="IoUring"/>.</summary>
    Cqe32 = 1 << 11,

    /// <summary>One thread only will submit: the one that creates the ring (6.0).</summary>
    SingleIssuer = 1 << 12,

    /// <summary>Completions are made only inside an enter that asks for them (6.1). Needs <see cref="SingleIssuer"/>.</summary>
    DeferTaskRun = 1 << 13,
}

/// <summary>IORING_FEAT_*: what the kernel said about itself.</summary>
[Flags]
public enum IoUringFeatures : uint
{
    SingleMapping = 1 << 0,
    NoDrop = 1 << 1,
    SubmitStable = 1 << 2,
    FastPoll = 1 << 5,
    Poll32Bits = 1 << 6,
    ExtendedArgument = 1 << 8,
    NativeWorkers = 1 << 9,
    CqeSkip = 1 << 11,

    /// <summary>A wait need not count as waiting for I/O (6.15).</summary>
    NoIoWait = 1 << 17,
}

/// <summary>IORING_OP_*: what an entry asks for.</summary>
public enum IoUringOp : byte
{
    Nop = 0,
    ReadV = 1,
    WriteV = 2,
    FSync = 3,
    ReadFixed = 4,
    WriteFixed = 5,
    PollAdd = 6,
    SyncFileRange = 8,
    Timeout = 11,
    AsyncCancel = 14,
    FAllocate = 17,
    Read = 22,
    Write = 23,
    UringCmd = 46,
}

/// <summary>IOSQE_*: how an entry is treated.</summary>
[Flags]
public enum IoUringSqeFlags : byte
{
    None = 0,

    /// <summary>The descriptor is an index into the registered files.</summary>
    FixedFile = 1 << 0,

    /// <summary>Starts after all entries before it have completed.</summary>
    Drain = 1 << 1,

    /// <summary>The next entry starts when this one has succeeded, else it is cancelled.</summary>
    Link = 1 << 2,

    /// <summary>The next entry starts when this one has completed in any way.</summary>
    HardLink = 1 << 3,

    /// <summary>Goes to a worker thread at once, without an attempt inline.</summary>
    Async = 1 << 4,

    /// <summary>No completion when it succeeds (5.17).</summary>
    SkipSuccess = 1 << 6,
}
