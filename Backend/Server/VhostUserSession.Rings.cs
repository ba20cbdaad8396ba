using Backend.Device;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Server;

/// <content>What the rings are, and when they run.</content>
internal sealed partial class VhostUserSession
{
    private void SetVringNum()
    {
        VhostUserVringState state = Payload<VhostUserVringState>();
        VhostUserRing ring = AtRest(state.Index);

        // The front-end chooses: our own --queue-size is no bound, only what we would choose.
        ring.Size = state.Value <= SplitRingLayout.MaxQueueSize && SplitRingLayout.IsValidQueueSize((int)state.Value)
            ? (ushort)state.Value
            : throw new ProtocolException($"a ring of {state.Value} is no power of two up to {SplitRingLayout.MaxQueueSize}", Errno.EINVAL);
        _transport.Update(ring);
    }

    private void SetVringBase()
    {
        VhostUserVringState state = Payload<VhostUserVringState>();
        VhostUserRing ring = AtRest(state.Index);
        ring.Base = state.Value <= ushort.MaxValue
            ? (ushort)state.Value
            : throw new ProtocolException($"a ring's base cannot be {state.Value}", Errno.EINVAL);
    }

    private void SetVringAddr()
    {
        VhostUserVringAddress address = Payload<VhostUserVringAddress>();
        if (address.Flags != 0)
        {
            throw new ProtocolException("logging is not offered", Errno.EINVAL);
        }

        VhostUserRing ring = Ring(address.Index);
        _transport.WithRingStopped(ring, () => ring.Address = address);
    }

    private void GetVringBase()
    {
        VhostUserVringState state = Payload<VhostUserVringState>();
        state.Value = _transport.StopAndTell(Ring(state.Index));
        BeginReply(8).Write(state);
    }

    private void SetVringKick()
    {
        VhostUserRing ring = Ring(EventFdMessage(out FileDescriptor? kick));
        _transport.WithRingStopped(ring, () => ring.Start(kick));
    }

    private void SetVringNotifier(Func<VhostUserRing, GuestNotifier> which)
    {
        VhostUserRing ring = Ring(EventFdMessage(out FileDescriptor? descriptor));
        _transport.Bind(which(ring), descriptor is null ? null : new EventFd(descriptor));
    }

    private void SetVringEnable()
    {
        VhostUserVringState state = Payload<VhostUserVringState>();
        if (state.Value > 1)
        {
            throw new ProtocolException($"a ring is enabled by 1 or disabled by 0, not by {state.Value}", Errno.EINVAL);
        }

        VhostUserRing ring = Ring(state.Index);
        ring.IsEnabled = state.Value == 1;
        _transport.Update(ring);
    }

    private VhostUserRing Ring(uint index) => index < (uint)_transport.Rings.Count
        ? _transport.Rings[(int)index]
        : throw new ProtocolException($"there is no ring {index}", Errno.EINVAL);

    private VhostUserRing AtRest(uint index)
    {
        VhostUserRing ring = Ring(index);
        return !ring.IsRunning ? ring : throw new ProtocolException($"ring {index} runs", Errno.EBUSY);
    }

    /// <summary>Index and descriptor of SET_VRING_KICK, _CALL and _ERR. A descriptor is an eventfd, and the caller's.</summary>
    private uint EventFdMessage(out FileDescriptor? descriptor)
    {
        ulong value = Payload<ulong>();
        bool hasDescriptor = (value & VhostUserVringFd.NoDescriptor) == 0;
        RequireDescriptors(hasDescriptor ? 1 : 0);
        uint index = (uint)(value & VhostUserVringFd.IndexMask);
        if (hasDescriptor && !FileIdentity.IsEventFd(_connection.Descriptor(0)))
        {
            throw new ProtocolException($"ring {index}: the descriptor is no eventfd", Errno.EINVAL);
        }

        _ = Ring(index); // Before the descriptor is taken: it is closed with the message otherwise.
        descriptor = hasDescriptor ? _connection.TakeDescriptor(0) : null;
        return index;
    }
}
