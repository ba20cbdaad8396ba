namespace FuseFront.Fuse;

/// <summary>
/// Capabilities negotiated by INIT. Bits 0–31 travel in <c>flags</c>, bits 32–63 in <c>flags2</c> (present when
/// <see cref="InitExtended"/> is set). Only those this project looks at are named.
/// </summary>
[Flags]
public enum FuseInitFlags : ulong
{
    None = 0,

    /// <summary>The kernel may send several READs of one file at a time.</summary>
    AsyncRead = 1UL << 0,

    /// <summary>WRITEs may be larger than 4 KiB.</summary>
    BigWrites = 1UL << 5,

    /// <summary>READDIRPLUS exists.</summary>
    ReadDirectoryPlus = 1UL << 13,

    /// <summary>The kernel decides when READDIRPLUS pays.</summary>
    ReadDirectoryPlusAuto = 1UL << 14,

    /// <summary>Direct I/O of one file is sent in parallel; without it one request at a time.</summary>
    AsyncDirectIo = 1UL << 15,

    /// <summary>Lookups and readdirs of one directory run in parallel.</summary>
    ParallelDirectoryOperations = 1UL << 18,

    /// <summary><c>max_pages</c> of the reply is valid: requests may span up to 256 pages (1 MiB) and more.</summary>
    MaxPages = 1UL << 22,

    /// <summary><c>flags2</c> is valid.</summary>
    InitExtended = 1UL << 30,

    /// <summary>Shared mmap works for files opened with FOPEN_DIRECT_IO.</summary>
    DirectIoAllowMmap = 1UL << 36,

    /// <summary>Requests can travel over io_uring.</summary>
    OverIoUring = 1UL << 41,
}
