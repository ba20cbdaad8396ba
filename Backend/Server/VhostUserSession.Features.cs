using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Server;

/// <content>Features of virtio and of the protocol, and the device's status and resets.</content>
internal sealed partial class VhostUserSession
{
    private const VhostUserProtocolFeatures OurProtocolFeatures = VhostUserProtocolFeatures.MultiQueue
        | VhostUserProtocolFeatures.ReplyAck | VhostUserProtocolFeatures.Config | VhostUserProtocolFeatures.InflightShmFd
        | VhostUserProtocolFeatures.ResetDevice | VhostUserProtocolFeatures.ConfigureMemSlots | VhostUserProtocolFeatures.Status;

    private VhostUserProtocolFeatures _protocolFeatures;
    private byte _status;

    private bool HasReplyAck => (_protocolFeatures & VhostUserProtocolFeatures.ReplyAck) != 0;

    private void GetFeatures() =>
        Answer(_transport.Device.OfferedFeatures | (ulong)VirtioFeatures.VhostUserProtocolFeatures);

    private void SetFeatures()
    {
        VirtioFeatures features = (VirtioFeatures)Payload<ulong>();
        _transport.SetFeatures(
            features & ~VirtioFeatures.VhostUserProtocolFeatures,
            ringsNeedEnable: (features & VirtioFeatures.VhostUserProtocolFeatures) != 0);
    }

    private void SetProtocolFeatures()
    {
        VhostUserProtocolFeatures features = (VhostUserProtocolFeatures)Payload<ulong>();
        VhostUserProtocolFeatures unknown = features & ~OurProtocolFeatures;
        if (unknown != 0)
        {
            throw new ProtocolException($"protocol features {unknown} are not offered", Errno.EINVAL);
        }

        _protocolFeatures = features;
    }

    /// <summary>Deprecated; what peers that still send it expect is that all rings are disabled.</summary>
    private void DisableRings()
    {
        foreach (VhostUserRing ring in _transport.Rings)
        {
            _transport.WithRingStopped(ring, () => ring.IsEnabled = false);
        }
    }

    private void ResetDevice()
    {
        _transport.Reset();
        _status = 0;
    }

    /// <summary>
    /// The status is the front-end's to keep: rings start by their own messages. Only zero means something here, a reset
    /// (virtio 1.3 §2.1).
    /// </summary>
    private void SetStatus()
    {
        ulong status = Payload<ulong>();
        if (status > byte.MaxValue)
        {
            throw new ProtocolException($"status {status:x} is no byte", Errno.EINVAL);
        }

        if (status == 0)
        {
            ResetDevice();
        }
        else
        {
            _status = (byte)(status & ~(ulong)DeviceStatus.NeedsReset);
        }
    }

    private void GetStatus() => Answer((ulong)(_status | (_transport.Device.Status & DeviceStatus.NeedsReset)));
}
