using System.Runtime.InteropServices;

namespace EndToEnd.Harness;

/// <summary>Errors of interest (asm-generic/errno.h).</summary>
public static class Posix
{
    public const int EIO = 5;
    public const int EACCES = 13;
    public const int ENOSPC = 28;
    public const int EROFS = 30;
}

/// <summary>
/// A file as a C program uses it: each call is one system call, with its count and errno as they came. Usable from many
/// threads at once.
/// </summary>
public sealed partial class DiskIo : IDisposable
{
    public const int ReadOnly = 0;
    public const int ReadWrite = 2;
    public const int DSync = 0x1000;

    private readonly int _fd;

    private DiskIo(int fd) => _fd = fd;

    public static DiskIo Open(string path, int flags = ReadWrite)
    {
        int errno = TryOpen(path, flags, out DiskIo? file);
        return file ?? throw new IOException($"open {path}: errno {errno}");
    }

    /// <summary>Returns 0 and the file, or errno.</summary>
    public static int TryOpen(string path, int flags, out DiskIo? file)
    {
        const int closeOnExec = 0x80000;
        int fd = OpenFile(path, flags | closeOnExec, 0);
        file = fd < 0 ? null : new DiskIo(fd);
        return fd < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>One pwrite(2): the bytes written, or a negative errno.</summary>
    public long TryWrite(ReadOnlySpan<byte> data, long offset)
    {
        nint written = PWrite(_fd, data, data.Length, offset);
        return written < 0 ? -Marshal.GetLastPInvokeError() : written;
    }

    /// <summary>One pread(2): the bytes read, or a negative errno.</summary>
    public long TryRead(Span<byte> data, long offset)
    {
        nint read = PRead(_fd, data, data.Length, offset);
        return read < 0 ? -Marshal.GetLastPInvokeError() : read;
    }

    /// <summary>One pwrite(2) that must write all.</summary>
    public void Write(ReadOnlySpan<byte> data, long offset) => Assert.That(TryWrite(data, offset), Is.EqualTo(data.Length));

    /// <summary>One pread(2) that must read all.</summary>
    public byte[] Read(long offset, int length)
    {
        byte[] data = new byte[length];
        Assert.That(TryRead(data, offset), Is.EqualTo(length));
        return data;
    }

    /// <summary>fsync(2): 0 or errno.</summary>
    public int Sync() => FSync(_fd) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <inheritdoc/>
    public void Dispose() => _ = Close(_fd);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int OpenFile(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    private static partial nint PWrite(int fd, ReadOnlySpan<byte> data, nint count, long offset);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    private static partial nint PRead(int fd, Span<byte> data, nint count, long offset);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int fd);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int fd);
}
