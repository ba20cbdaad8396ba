using RingCore.Posix;

namespace Backend.Tests.Server;

/// <summary>
/// What a hostile client makes of an eventfd that it shares with the backend: full and blocking, so that a thread which signals it
/// hangs. Should nobody else have freed that thread after a long time, this does, and the test fails instead of hanging.
/// </summary>
internal sealed class FullEventFd : IDisposable
{
    private readonly Timer _rescue;
    private int _rescued;

    internal FullEventFd(EventFd fd)
    {
        fd.Descriptor.SetNonBlocking(true);
        fd.TestAndClear();
        fd.Descriptor.Write(BitConverter.GetBytes(ulong.MaxValue - 1));
        fd.Descriptor.SetNonBlocking(false);
        _rescue = new Timer(_ => Rescue(fd), null, TimeSpan.FromSeconds(30), Timeout.InfiniteTimeSpan);
    }

    /// <summary>Nobody has freed the thread.</summary>
    internal bool HasRescued => Volatile.Read(ref _rescued) != 0;

    public void Dispose() => _rescue.Dispose();

    private void Rescue(EventFd fd)
    {
        Volatile.Write(ref _rescued, 1);
        fd.Descriptor.SetNonBlocking(true);
        fd.TestAndClear();
    }
}
