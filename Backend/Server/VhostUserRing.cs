using Backend.Device;
using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Server;

/// <summary>
/// What a front-end has said about one ring. It runs when it is started (it has been given its kick) and enabled. Server's
/// thread, save the two notifiers' <see cref="GuestNotifier.Raise"/>.
/// </summary>
internal sealed class VhostUserRing(int index)
{
    public int Index { get; } = index;

    /// <summary>SET_VRING_NUM.</summary>
    public ushort Size { get; set; }

    /// <summary>SET_VRING_ADDR, user addresses; null before.</summary>
    public VhostUserVringAddress? Address { get; set; }

    /// <summary>The next chain to take: SET_VRING_BASE, and where the ring was stopped.</summary>
    public ushort Base { get; set; }

    /// <summary>SET_VRING_KICK came, and no GET_VRING_BASE since.</summary>
    public bool IsStarted { get; private set; }

    /// <summary>SET_VRING_ENABLE.</summary>
    public bool IsEnabled { get; set; }

    /// <summary>The device serves it now.</summary>
    public bool IsRunning { get; set; }

    /// <summary>The front-end's kick; null while there is none, or when we are to poll.</summary>
    public FileDescriptor? Kick { get; private set; }

    /// <summary>Used buffers are told here.</summary>
    public GuestNotifier Call { get; } = new();

    /// <summary>That the ring is broken is told here.</summary>
    public GuestNotifier Error { get; } = new();

    /// <summary>Starts the ring; without a kick it is polled.</summary>
    /// <param name="kick">An eventfd; this object owns it.</param>
    public void Start(FileDescriptor? kick)
    {
        Kick?.Dispose();
        Kick = kick;
        IsStarted = true;
    }

    /// <summary>Stops the ring and lets go of its kick.</summary>
    public void Stop()
    {
        Kick?.Dispose();
        Kick = null;
        IsStarted = false;
    }
}
