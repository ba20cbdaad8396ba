using RingCore.Framing;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Server;

/// <content>The device's configuration space.</content>
internal sealed partial class VhostUserSession
{
    private void GetConfig()
    {
        VhostUserConfig config = Payload<VhostUserConfig>();
        RequireInside(config);
        Span<byte> data = stackalloc byte[VhostUserConfig.MaxSize];
        _transport.Device.ReadConfig((int)config.Offset, data[..(int)config.Size]);
        PayloadWriter writer = BeginReply(12 + (int)config.Size);
        writer.Write(config);
        writer.Write(data[..(int)config.Size]);
    }

    /// <summary>A driver can write one field, the cache's; a migration may bring all, of which that one is taken.</summary>
    private void SetConfig()
    {
        const uint Migration = 1;
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VhostUserConfig config) || reader.Rest.Length < config.Size || config.Flags > Migration)
        {
            throw new ProtocolException($"{_connection.Payload.Length} bytes of payload are no configuration", Errno.EINVAL);
        }

        RequireInside(config);
        if (config.Flags != Migration && config is not { Offset: BlkConfig.WritebackOffset, Size: 1 })
        {
            throw new ProtocolException($"configuration {config.Offset}+{config.Size} cannot be written", Errno.EPERM);
        }

        _transport.Device.WriteConfig((int)config.Offset, reader.Rest[..(int)config.Size]);
    }

    private static void RequireInside(in VhostUserConfig config)
    {
        if (config.Size > VhostUserConfig.MaxSize || config.Offset > VhostUserConfig.MaxSize - config.Size)
        {
            throw new ProtocolException($"configuration {config.Offset}+{config.Size} is outside", Errno.EINVAL);
        }
    }
}
