namespace RingCore.Posix;

/// <summary>What a descriptor is watched for and what was found: the EPOLL* bits, which poll(2) and io_uring share.</summary>
[Flags]
public enum PollEvents : uint
{
    None = 0,
    In = 0x1,
    Out = 0x4,

    /// <summary>Always reported.</summary>
    Error = 0x8,

    /// <summary>Always reported.</summary>
    HangUp = 0x10,

    /// <summary>EPOLLRDHUP: the peer of a stream socket sends no more, whether or not something is still there to be received.</summary>
    PeerEnd = 0x2000,

    /// <summary>EPOLLEXCLUSIVE: of all that wait so for one event, one is woken. Only when a watch is added.</summary>
    Exclusive = 1u << 28,

    /// <summary>
    /// EPOLLET: reported once for each time that it becomes true (and of a watch that begins when it already is), and for an
    /// eventfd each time it is signalled, read or not. Several at about the same time may be reported as one.
    /// </summary>
    Edge = 1u << 31,
}
