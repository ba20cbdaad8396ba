namespace FuseFront.Fuse;

/// <summary>How a mount comes to be.</summary>
public enum FuseMountMethod
{
    /// <summary>mount(2) as root, else through fusermount3.</summary>
    Auto,
    System,
    Fusermount,
}

/// <summary>Where and how to mount.</summary>
public sealed record FuseMountOptions
{
    /// <summary>An existing directory.</summary>
    public required string MountPoint { get; init; }

    /// <summary>Shown as the mount's source: the image's name.</summary>
    public required string Source { get; init; }

    /// <summary>The file system type is <c>fuse.</c> and this.</summary>
    public string Subtype { get; init; } = FuseMount.DefaultSubtype;

    public bool ReadOnly { get; init; }

    /// <summary>Other users than the one who mounts may enter; for non-root /etc/fuse.conf must allow it.</summary>
    public bool AllowOther { get; init; }

    /// <summary>A mount point with files in it is covered up; otherwise it is refused.</summary>
    public bool AllowNonEmpty { get; init; }

    /// <summary>Longest READ in bytes, and longest WRITE.</summary>
    public int MaxTransfer { get; init; } = 1 << 20;

    /// <summary>
    /// How requests come. For io_uring the channels' contexts need io_uring with
    /// <see cref="RingCore.Aio.AioContextOptions.LargeSubmissionEntries"/>, and requests wait until every channel is started.
    /// </summary>
    public FuseTransport Transport { get; init; } = FuseTransport.Dev;

    /// <summary>Channels that will be added; io_uring deals the CPUs out to them.</summary>
    public int Channels { get; init; } = 1;

    public FuseMountMethod Method { get; init; } = FuseMountMethod.Auto;
}
