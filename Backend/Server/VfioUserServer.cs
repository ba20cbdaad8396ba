using Backend.Device;
using RingCore.Aio;
using RingCore.Posix;

namespace Backend.Server;

/// <summary>Serves one PCI device over vfio-user.</summary>
public sealed class VfioUserServer : ClientServer
{
    private readonly VirtioPciProxy _device;

    /// <param name="context">The loop that serves clients.</param>
    /// <param name="device">A transport with its device plugged in.</param>
    /// <param name="path">Where to listen; a socket file whose owner is gone is replaced.</param>
    /// <inheritdoc cref="ClientServer(AioContext, string, string)"/>
    public VfioUserServer(AioContext context, VirtioPciProxy device, string path)
        : base(context, path, "vfio-user") => _device = device;

    /// <summary>Counters over all clients.</summary>
    public VfioUserServerStatistics Statistics { get; } = new();

    private protected override ClientSession Open(UnixSocket socket, Action<string> ended)
    {
        Statistics.Clients++;
        return new VfioUserSession(Context, _device, socket, Statistics, ended);
    }
}
