using System.Runtime.InteropServices;
using System.Text;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>
/// A UNIX stream socket that listens at a path. Takes the place of a socket file whose owner is gone, and removes its own
/// file when disposed. One thread at a time.
/// </summary>
public sealed unsafe class UnixListener : IDisposable
{
    internal const int AddressSize = 110;
    private const int MaxPathLength = 107;
    private readonly FileIdentity _file;
    private bool _disposed;

    private UnixListener(FileDescriptor descriptor, string path, FileIdentity file)
    {
        Descriptor = descriptor;
        Path = path;
        _file = file;
    }

    /// <summary>The descriptor, readable when a client waits; still owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>Where it listens.</summary>
    public string Path { get; }

    /// <summary>Binds and listens.</summary>
    /// <exception cref="PosixException">
    /// EADDRINUSE: another process serves that path, or it is a file of another kind; ENAMETOOLONG: longer than 107 bytes; the
    /// errno of bind(2) otherwise.
    /// </exception>
    public static UnixListener Bind(string path, int backlog = 16)
    {
        RemoveStale(path);
        FileDescriptor fd = UnixSocket.Create();
        try
        {
            // The address lives on this stack frame and its length bounds what the kernel reads.
            Span<byte> address = stackalloc byte[AddressSize];
            uint length = WriteAddress(path, address);
            fixed (byte* p = address)
            {
                Check(Libc.bind(fd.Number, p, length), $"bind {path}");
            }

            Check(Libc.listen(fd.Number, backlog), $"listen {path}");
            FileIdentity file = FileIdentity.Of(path) ?? throw new PosixException(Errno.ENOENT, $"statx {path}");
            return new UnixListener(fd, path, file);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>The next waiting client, or null when there is none.</summary>
    public UnixSocket? Accept()
    {
        while (true)
        {
            int fd = Libc.accept4(Descriptor.Number, null, null, Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK);
            if (fd >= 0)
            {
                return new UnixSocket(new FileDescriptor(fd));
            }

            int errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.EAGAIN)
            {
                return null;
            }

            // A client that gave up while it waited is no fault of the listener's.
            if (errno is not (Errno.EINTR or Errno.ECONNABORTED))
            {
                throw new PosixException(errno, $"accept {Path}");
            }
        }
    }

    /// <summary>Stops listening and removes the socket file, unless somebody else has put another one there.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        if (FileIdentity.Of(Path) is { } now && now.IsSameFile(_file))
        {
            Libc.unlinkSocket(Path);
        }

        Descriptor.Dispose();
    }

    /// <summary>struct sockaddr_un of a path; returns its length.</summary>
    internal static uint WriteAddress(string path, Span<byte> address)
    {
        int length = Encoding.UTF8.GetByteCount(path);
        if (length is 0 or > MaxPathLength)
        {
            throw new PosixException(length == 0 ? Errno.EINVAL : Errno.ENAMETOOLONG, $"socket path {path}");
        }

        address.Clear();
        MemoryMarshal.Write(address, (ushort)Libc.AF_UNIX);
        Encoding.UTF8.GetBytes(path, address[2..]);
        return (uint)(2 + length + 1);
    }

    /// <summary>Removes a socket that nobody listens on.</summary>
    /// <exception cref="PosixException">EADDRINUSE: another process serves that path, or it is a file of another kind.</exception>
    internal static void RemoveStale(string path)
    {
        if (FileIdentity.Of(path) is not { } file)
        {
            return;
        }

        if (!file.IsSocket)
        {
            throw new PosixException(Errno.EADDRINUSE, $"{path} exists and is not a socket; listen there");
        }

        try
        {
            UnixSocket.Connect(path).Dispose();
        }
        catch (PosixException e) when (e.Errno == Errno.ECONNREFUSED)
        {
            // Nobody listens: the owner died without removing its file.
            Check(Libc.unlinkSocket(path), $"unlink stale socket {path}");
            return;
        }
        catch (PosixException e) when (e.Errno == Errno.ENOENT)
        {
            return;
        }
        catch (PosixException e) when (e.Errno == Errno.EAGAIN)
        {
            // Its backlog is full, so somebody is alive behind it.
        }

        throw new PosixException(Errno.EADDRINUSE, $"another process serves {path}; listen there");
    }
}
