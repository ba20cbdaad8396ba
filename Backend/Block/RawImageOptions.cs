namespace Backend.Block;

/// <summary>Who carries out the I/O that cannot complete at once.</summary>
public enum AioEngine
{
    /// <summary>io_uring where the kernel allows it, else threads.</summary>
    Auto,
    IoUring,
    Threads,
}

/// <summary>What the host's page cache does for the image.</summary>
public enum CacheMode
{
    /// <summary>Writes complete in the page cache; a flush makes them stable.</summary>
    Writeback,

    /// <summary>Each write is stable when it completes; reads are cached.</summary>
    Writethrough,

    /// <summary>The page cache is not used (O_DIRECT). A flush is still needed, for the medium's own cache.</summary>
    None,
}

/// <summary>How to open a raw image.</summary>
public sealed record RawImageOptions
{
    /// <summary>A regular file or a block device.</summary>
    public required string Path { get; init; }

    public bool ReadOnly { get; init; }

    public AioEngine Engine { get; init; } = AioEngine.Auto;

    public CacheMode Cache { get; init; } = CacheMode.Writeback;

    /// <summary>Opens the image though another process uses it. Two writers destroy a file system: for rescue only.</summary>
    public bool Force { get; init; }

    /// <summary>Threads of <see cref="AioEngine.Threads"/> for the whole image; they start when there is work for them.</summary>
    public int MaxThreads { get; init; } = 8;
}
