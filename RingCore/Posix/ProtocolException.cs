namespace RingCore.Posix;

/// <summary>The peer broke a protocol (FUSE, vfio-user, vhost-user): its message names the rule that was broken.</summary>
public sealed class ProtocolException : IOException
{
    public ProtocolException(string message, int errno = Posix.Errno.EPROTO)
        : base(message) => Errno = errno;

    /// <summary>The positive error number to answer the peer with.</summary>
    public int Errno { get; }
}
