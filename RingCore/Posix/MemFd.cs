using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>Seals of a memfd (fcntl(2), F_ADD_SEALS).</summary>
[Flags]
public enum MemFdSeals
{
    None = 0,
    Seal = 1,
    Shrink = 2,
    Grow = 4,
    Write = 8,
}

/// <summary>Memory with a descriptor, so that it can be shared between processes.</summary>
public static class MemFd
{
    private const uint MfdCloExec = 1;
    private const uint MfdAllowSealing = 2;

    /// <summary>
    /// Creates <paramref name="length"/> bytes of zeroed shareable memory whose size no process can change any more:
    /// a peer that could shrink it would kill us with SIGBUS.
    /// </summary>
    public static FileDescriptor CreateSealed(string name, long length)
    {
        FileDescriptor fd = FileDescriptor.FromResult(Libc.memfd_create(name, MfdCloExec | MfdAllowSealing), "memfd_create");
        try
        {
            Check(Libc.ftruncate(fd.Number, length), $"ftruncate memfd to {length}");
            MemFdSeals seals = MemFdSeals.Shrink | MemFdSeals.Grow | MemFdSeals.Seal;
            Check(Libc.fcntl(fd.Number, Libc.F_ADD_SEALS, (nint)seals), "fcntl F_ADD_SEALS");
            return fd;
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Adds seals. False when the file knows none, has been sealed against it, or is open for reading only.
    /// </summary>
    public static bool TryAddSeals(FileDescriptor fd, MemFdSeals seals) =>
        Libc.fcntl(fd.Number, Libc.F_ADD_SEALS, (nint)seals) == 0;

    /// <summary>The seals that are set; none for a descriptor that knows no seals.</summary>
    public static MemFdSeals GetSeals(FileDescriptor fd)
    {
        int seals = Libc.fcntl(fd.Number, Libc.F_GET_SEALS, 0);
        return seals < 0 ? MemFdSeals.None : (MemFdSeals)seals;
    }
}
