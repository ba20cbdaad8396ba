using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>
/// An eventfd, or a pipe where the kernel has none, that wakes a context. Owns its descriptors. <see cref="Signal"/> and
/// <see cref="TestAndClear"/> may be called from any thread. Neither waits, but for <see cref="Signal"/> of an eventfd that a
/// peer has made blocking and full (<see cref="EventFd"/>).
/// </summary>
public sealed class EventNotifier : IDisposable
{
    private readonly EventFd? _eventFd;
    private readonly Pipe? _pipe;

    /// <param name="usePipe">Uses a pipe even where there are eventfds.</param>
    /// <exception cref="PosixException">EMFILE, ENFILE, ENOMEM.</exception>
    public EventNotifier(bool usePipe = false)
    {
        if (!usePipe)
        {
            _eventFd = TryCreateEventFd();
            IsEventFd = _eventFd is not null;
        }

        if (_eventFd is null)
        {
            _pipe = new Pipe();
        }
    }

    /// <summary>Takes over a descriptor a peer sent (an eventfd).</summary>
    /// <param name="descriptor">It is made non-blocking.</param>
    /// <param name="isEventFd">Somebody has made sure of that (<see cref="FileIdentity.IsEventFd"/>).</param>
    public EventNotifier(FileDescriptor descriptor, bool isEventFd = false)
    {
        _eventFd = new EventFd(descriptor);
        IsEventFd = isEventFd;
    }

    /// <summary>True when it certainly is an eventfd: each signal makes an edge, whether or not anybody reads.</summary>
    internal bool IsEventFd { get; }

    /// <summary>The end that is watched.</summary>
    public FileDescriptor ReadDescriptor => _pipe?.ReadEnd ?? _eventFd!.Descriptor;

    /// <summary>The end that is written, and handed to peers.</summary>
    public FileDescriptor WriteDescriptor => _pipe?.WriteEnd ?? _eventFd!.Descriptor;

    /// <summary>Makes the watched end readable, once more. One that is full stays as it is (<see cref="EventFd.Signal"/>); false for any other error.</summary>
    public bool Signal()
    {
        if (_pipe is null)
        {
            return _eventFd!.Signal();
        }

        int result = _pipe.WriteEnd.Write([1]);
        return result is 1 or -Errno.EAGAIN;
    }

    /// <summary>As <see cref="EventFd.SignalIfRoom"/>.</summary>
    public void SignalIfRoom()
    {
        if (WriteDescriptor.IsWritable())
        {
            Signal();
        }
    }

    /// <summary>Makes the watched end unreadable again and tells whether it was signalled.</summary>
    public bool TestAndClear()
    {
        if (_pipe is null)
        {
            return _eventFd!.TestAndClear();
        }

        Span<byte> buffer = stackalloc byte[512];
        bool wasSignalled = false;
        int count;
        do
        {
            count = _pipe.ReadEnd.Read(buffer);
            wasSignalled |= count > 0;
        }
        while (count == buffer.Length);
        return wasSignalled;
    }

    /// <summary>Closes both ends. No other thread may still signal it.</summary>
    public void Dispose()
    {
        _eventFd?.Dispose();
        _pipe?.Dispose();
    }

    private static EventFd? TryCreateEventFd()
    {
        try
        {
            return new EventFd();
        }
        catch (PosixException e) when (e.Errno is Errno.ENOSYS or Errno.EINVAL)
        {
            return null;
        }
    }
}
