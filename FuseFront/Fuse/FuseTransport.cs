namespace FuseFront.Fuse;

/// <summary>How requests come from the kernel.</summary>
public enum FuseTransport
{
    /// <summary>io_uring where it can be had, else /dev/fuse.</summary>
    Auto,

    /// <summary>read and write of /dev/fuse.</summary>
    Dev,

    /// <summary>FUSE over io_uring (Linux 6.14), and /dev/fuse for the little that it does not carry.</summary>
    Uring,
}
