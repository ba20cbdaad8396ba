using Backend.Device;
using NLog;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Server;

/// <summary>
/// A virtio device as a vhost-user back-end: no registers, but rings that the front-end starts and stops one by one, with its own
/// eventfds as doorbells and interrupts. Everything is the server thread's, save the two notifications of queues.
/// </summary>
/// <remarks>A ring runs when the front-end has set features, and the ring is known, started and enabled; see <see cref="Update"/>.</remarks>
public sealed partial class VhostUserTransport : IVirtioTransport
{
    private const byte DriverFound = DeviceStatus.Acknowledge | DeviceStatus.Driver;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Dictionary<int, EventNotifier> _polled = [];
    private readonly RetiredEventFds _retired = new();
    private readonly AioTimer _pollTimer;
    private IVirtioDevice? _device;
    private VhostUserRing[] _rings = [];
    private VirtioFeatures? _features;
    private bool _ringsNeedEnable;
    private VhostUserInflightBuffer? _inflight;

    /// <param name="memory">Guest memory; stays the caller's.</param>
    /// <param name="context">The server's loop.</param>
    public VhostUserTransport(GuestMemory memory, AioContext context)
    {
        Memory = memory;
        Regions = new VhostUserMemory(memory);
        _pollTimer = context.CreateTimer(PollRings);
    }

    /// <inheritdoc/>
    public GuestMemory Memory { get; }

    /// <inheritdoc/>
    /// <remarks>vhost-user promises nothing of the kind: a VM with a balloon, or one that reports free pages, may use it.</remarks>
    public bool MayKeepPages => false;

    /// <inheritdoc/>
    public bool HasGuestNotifiers => true;

    /// <inheritdoc/>
    public bool HasIoEventFds => true;

    /// <summary>The device behind.</summary>
    /// <exception cref="InvalidOperationException">None is plugged in yet.</exception>
    public IVirtioDevice Device => _device ?? throw new InvalidOperationException("no device is plugged in");

    internal VhostUserMemory Regions { get; }

    internal IReadOnlyList<VhostUserRing> Rings => _rings;

    /// <summary>Plugs the device in, once.</summary>
    public void Plug(IVirtioDevice device)
    {
        if (_device is not null)
        {
            throw new InvalidOperationException("a device is plugged in already");
        }

        _device = device;
        _rings = [.. device.Queues.Select(q => new VhostUserRing(q.Index))];
    }

    /// <summary>SET_FEATURES: the device is reset and takes them, or refuses.</summary>
    /// <param name="features">Without vhost-user's own bit.</param>
    /// <param name="ringsNeedEnable">That bit was set: rings run only once they are enabled.</param>
    /// <exception cref="PosixException">EINVAL: not offered, or not accepted; EBUSY: a ring runs with others.</exception>
    internal void SetFeatures(VirtioFeatures features, bool ringsNeedEnable)
    {
        if (_features == features && _ringsNeedEnable == ringsNeedEnable)
        {
            return;
        }

        VirtioFeatures unknown = features & ~(VirtioFeatures)Device.OfferedFeatures;
        if (unknown != 0)
        {
            throw new PosixException(Errno.EINVAL, $"features {unknown} are not offered");
        }

        if (Array.Exists(_rings, r => r.IsRunning))
        {
            throw new PosixException(Errno.EBUSY, "features change while a ring runs");
        }

        Device.WriteStatus(0, 0);
        _features = null;
        Device.WriteStatus(DriverFound, 0);

        // A legacy driver knows no FEATURES_OK (virtio 1.3 §3.1.2).
        if ((features & VirtioFeatures.Version1) != 0)
        {
            Device.WriteStatus(DriverFound | DeviceStatus.FeaturesOk, (ulong)features);
            if ((Device.Status & DeviceStatus.FeaturesOk) == 0)
            {
                throw new PosixException(Errno.EINVAL, $"features {features} are not accepted");
            }
        }

        _features = features;
        _ringsNeedEnable = ringsNeedEnable;
        UpdateAll();
    }

    /// <summary>Stops every ring and resets the device; memory and eventfds of calls stay, and where each ring was stopped.</summary>
    internal void Reset()
    {
        foreach (VhostUserRing ring in _rings)
        {
            Stop(ring);
            ring.Stop();
            ring.IsEnabled = false;
        }

        _features = null;
        Device.WriteStatus(0, 0);
    }

    /// <summary>As it was before the front-end: also no memory, no eventfds, nothing known of the rings.</summary>
    internal void Clear()
    {
        // Interrupts first: the front-end is not to hold up the rest by what it does with its eventfds.
        foreach (VhostUserRing ring in _rings)
        {
            Bind(ring.Call, null);
            Bind(ring.Error, null);
        }

        Reset();
        Regions.Clear();
        SetInflight(null);
        foreach (VhostUserRing ring in _rings)
        {
            ring.Call.ClearPending();
            ring.Error.ClearPending();
            ring.Size = 0;
            ring.Address = null;
            ring.Base = 0;
        }
    }

    /// <summary>Binds a notifier to an eventfd, or to none; the one before is closed once no thread can signal it any more.</summary>
    internal void Bind(GuestNotifier notifier, EventFd? fd)
    {
        _retired.Add(notifier, notifier.Assign(fd));
        _retired.Close(Device, keepEdges: false);
    }

    /// <summary>Where requests under way are noted from now on. Owns it.</summary>
    /// <exception cref="PosixException">EBUSY: a ring runs.</exception>
    internal void SetInflight(VhostUserInflightBuffer? buffer)
    {
        if (Array.Exists(_rings, r => r.IsRunning))
        {
            throw new PosixException(Errno.EBUSY, "the inflight buffer changes while a ring runs");
        }

        _inflight?.Dispose();
        _inflight = buffer;
    }
}
