using RingCore.Framing;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Server;

/// <summary>VERSION: the first message, and the only one before it has succeeded.</summary>
internal sealed partial class VfioUserSession
{
    private static readonly byte[] OurCapabilities = new VfioUserCapabilities
    {
        MaxMsgFds = VfioUserConnection.MaxMessageDescriptors,
        MaxDataTransferSize = VfioUserConnection.MaxDataTransferSize,
    }.ToJson();

    private VfioUserCapabilities _client = new();
    private bool _isNegotiated;

    private int Version()
    {
        if (_isNegotiated)
        {
            return Errno.EINVAL;
        }

        // Unless all goes well, the client is answered and let go.
        CloseReason = "no version could be agreed on";
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioUserVersion version) || version.Major != 0)
        {
            return Errno.EINVAL;
        }

        _client = VfioUserCapabilities.Parse(reader.Rest);
        PayloadWriter writer = new(BeginReply(4 + OurCapabilities.Length));
        writer.Write(new VfioUserVersion());
        writer.Write(OurCapabilities);
        _isNegotiated = true;
        CloseReason = null;
        Log.Debug("vfio-user 0.{0} negotiated: {1}", version.Minor, _client);
        return 0;
    }
}
