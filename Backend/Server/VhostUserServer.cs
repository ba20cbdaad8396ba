using RingCore.Aio;
using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Server;

/// <summary>Serves one device over vhost-user. A second front-end waits until the first has left.</summary>
public sealed class VhostUserServer : ClientServer
{
    private readonly VhostUserTransport _transport;

    /// <param name="context">The loop that serves front-ends; the transport's.</param>
    /// <param name="transport">With its device plugged in.</param>
    /// <param name="path">Where to listen; a socket file whose owner is gone is replaced.</param>
    /// <inheritdoc cref="ClientServer(AioContext, string, string)"/>
    public VhostUserServer(AioContext context, VhostUserTransport transport, string path)
        : base(context, path, "vhost-user") => _transport = transport;

    /// <summary>Front-ends that have connected.</summary>
    public long Clients { get; private set; }

    /// <summary>Requests that were refused.</summary>
    public long Errors { get; internal set; }

    /// <summary>Messages that met an error which nobody foresaw: faults of ours. Each ended its front-end's connection.</summary>
    public long Faults { get; internal set; }

    private protected override ClientSession Open(UnixSocket socket, Action<string> ended)
    {
        Clients++;
        return new VhostUserSession(this, Context, _transport, new VhostUserConnection(socket), ended);
    }
}
