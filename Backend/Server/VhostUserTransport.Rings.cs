using Backend.Device;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Server;

/// <content>Rings run and stop, as the front-end says and as its memory allows.</content>
public sealed partial class VhostUserTransport
{
    /// <summary>Something about the ring has changed: starts it, if it can run now, or stops it.</summary>
    /// <exception cref="PosixException">EINVAL: it should run, but its addresses or its inflight notes are no good.</exception>
    internal void Update(VhostUserRing ring)
    {
        bool isToRun = ring.IsStarted && (ring.IsEnabled || !_ringsNeedEnable) && _features is not null
            && ring.Size > 0 && ring.Address is not null;
        if (isToRun && !ring.IsRunning)
        {
            Start(ring);
        }
        else if (!isToRun)
        {
            Stop(ring);
        }
    }

    /// <summary>Changes what a running ring cannot be told while it runs: it stops before, and goes on where it was.</summary>
    internal void WithRingStopped(VhostUserRing ring, Action change)
    {
        Stop(ring);
        change();
        Update(ring);
    }

    /// <summary>
    /// Changes memory while no ring runs. Each is then looked for anew; one that is not in memory any more waits until it is.
    /// </summary>
    internal void WithRingsStopped(Action change)
    {
        Array.ForEach(_rings, Stop);
        try
        {
            change();
        }
        finally
        {
            UpdateAll();
        }
    }

    /// <summary>GET_VRING_BASE: stops the ring, once its requests are answered, and tells where.</summary>
    internal ushort StopAndTell(VhostUserRing ring)
    {
        Stop(ring);
        ring.Stop();
        _inflight?.Region(ring.Index)?.Close();
        return ring.Base;
    }

    private void UpdateAll()
    {
        foreach (VhostUserRing ring in _rings)
        {
            try
            {
                Update(ring);
            }
            catch (PosixException e)
            {
                Log.Warn("ring {0} waits: {1}", ring.Index, e.Message);
            }
        }
    }

    private void Start(VhostUserRing ring)
    {
        VirtQueue queue = Device.Queues[ring.Index];
        VhostUserVringAddress address = ring.Address!.Value;
        queue.Size = ring.Size;
        queue.DescriptorTable = ToGuest(ring, address.Descriptors, SplitRingLayout.DescriptorTableSize(ring.Size));
        queue.AvailableRing = ToGuest(ring, address.Available, SplitRingLayout.AvailSize(ring.Size));
        queue.UsedRing = ToGuest(ring, address.Used, SplitRingLayout.UsedSize(ring.Size));
        queue.Base = ring.Base;
        queue.Inflight = _inflight?.Region(ring.Index);
        if (_inflight is not null && queue.Inflight is null)
        {
            throw new PosixException(Errno.EINVAL, $"ring {ring.Index} has no place in the inflight buffer");
        }

        if ((Device.Status & DeviceStatus.DriverOk) == 0)
        {
            Device.WriteStatus((byte)(Device.Status | DeviceStatus.DriverOk), (ulong)_features!.Value);
        }

        ring.IsRunning = Device.StartQueue(ring.Index);
        if (!ring.IsRunning)
        {
            ring.Error.Raise();
            throw new PosixException(Errno.EINVAL, $"ring {ring.Index} cannot be served");
        }

        // Whoever served it before may have ended between a completion and its interrupt.
        ring.Call.Raise();
        Log.Debug("ring {0} of {1} runs from {2}", ring.Index, ring.Size, ring.Base);
    }

    private void Stop(VhostUserRing ring)
    {
        if (ring.IsRunning)
        {
            Device.StopQueue(ring.Index);
            ring.IsRunning = false;
            ring.Base = Device.Queues[ring.Index].Ring!.NextAvail;
            Log.Debug("ring {0} stops at {1}", ring.Index, ring.Base);
        }
    }

    private ulong ToGuest(VhostUserRing ring, ulong user, int length) =>
        Regions.TryToGuest(user, (ulong)length, out ulong address)
            ? address
            : throw new PosixException(Errno.EINVAL, $"ring {ring.Index}: {user:x}+{length} is outside the front-end's memory");
}
