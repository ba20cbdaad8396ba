using System.Text;
using RingCore.Posix;

namespace RingCore.Hosting;

/// <summary>Paths of UNIX sockets: their bound (unix(7), sun_path), and those that a dead process has left behind.</summary>
public static class SocketPath
{
    /// <summary>The longest path in bytes; the 108th byte is the terminating NUL.</summary>
    public const int MaxBytes = 107;

    /// <exception cref="UserErrorException">The path is longer than a socket's path may be.</exception>
    public static void RequireShort(string path)
    {
        int length = Encoding.UTF8.GetByteCount(path);
        if (length > MaxBytes)
        {
            throw new UserErrorException(
                $"socket path {path} has {length} bytes and may have {MaxBytes}; set {RuntimeFolder.Variable} to a shorter folder");
        }
    }

    /// <summary>Makes way for a bind: removes a socket that nobody listens on, and refuses anything else that is there.</summary>
    /// <exception cref="UserErrorException">The path is too long, in use, or no socket.</exception>
    public static void Claim(string path)
    {
        RequireShort(path);
        if (FileIdentity.Of(path) is { IsSocket: false })
        {
            throw new UserErrorException($"socket path {path} exists and is not a socket; choose another path");
        }

        try
        {
            UnixListener.RemoveStale(path);
        }
        catch (PosixException e) when (e.Errno == Errno.EADDRINUSE)
        {
            throw new UserErrorException($"socket {path} is in use by a running process; stop it, or choose another path", e);
        }
    }
}
