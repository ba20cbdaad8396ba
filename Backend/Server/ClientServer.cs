using NLog;
using RingCore.Aio;
using RingCore.Posix;

namespace Backend.Server;

/// <summary>
/// Serves a device at a UNIX socket: one client at a time, the next ones wait in the socket's backlog. Lives on one
/// <see cref="AioContext"/>; everything happens on its thread. What is spoken there a derived class says.
/// </summary>
public abstract class ClientServer : IDisposable
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly string _protocol;
    private readonly UnixListener _listener;
    private readonly AioHandler _acceptHandler;
    private readonly AioTimer _retryTimer;
    private ClientSession? _session;
    private bool _disposed;

    /// <summary>Listens from now on. Call on the context's thread, or before it runs.</summary>
    /// <param name="context">The loop that serves clients.</param>
    /// <param name="path">Where to listen; a socket file whose owner is gone is replaced.</param>
    /// <param name="protocol">Its name, for log lines.</param>
    /// <exception cref="PosixException">EADDRINUSE: another process serves that path; others as of bind(2).</exception>
    private protected ClientServer(AioContext context, string path, string protocol)
    {
        Context = context;
        _protocol = protocol;
        _listener = UnixListener.Bind(path);
        _acceptHandler = new AioHandler { Read = Accept, IsExternal = true };
        _retryTimer = Context.CreateTimer(Listen);
        Listen();
        Log.Info("{0} server listens at {1}", protocol, path);
    }

    /// <summary>Faults on purpose: a client for which this answers false is sent away at once.</summary>
    public Func<bool>? Admits { get; set; }

    /// <summary>The client is gone, the device reset, its memory unmapped.</summary>
    public event Action? ClientDisconnected;

    /// <summary>Where it listens.</summary>
    public string Path => _listener.Path;

    /// <summary>A client is being served.</summary>
    public bool HasClient => _session is not null;

    private protected AioContext Context { get; }

    /// <summary>Disconnects the client, stops listening and removes the socket file. On the context's thread.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        if (_session is null)
        {
            Context.SetFdHandler(_listener.Descriptor, null);
        }

        _session?.End("the server stops");
        _retryTimer.Dispose();
        _listener.Dispose();
    }

    /// <summary>A client has come: makes the session that owns its socket.</summary>
    private protected abstract ClientSession Open(UnixSocket socket, Action<string> ended);

    private void Listen()
    {
        if (!_disposed && _session is null)
        {
            Context.SetFdHandler(_listener.Descriptor, _acceptHandler);
        }
    }

    private void Accept()
    {
        UnixSocket? socket = _session is null ? AcceptOne() : null;
        if (socket is null)
        {
            return;
        }

        if (Admits?.Invoke() == false)
        {
            Log.Info("a {0} client was sent away by a fault rule", _protocol);
            socket.Dispose();
            return;
        }

        // The next client waits in the backlog until this one leaves.
        Context.SetFdHandler(_listener.Descriptor, null);
        Log.Info("{0} client connected", _protocol);
        _session = Open(socket, SessionEnded);
    }

    private UnixSocket? AcceptOne()
    {
        try
        {
            return _listener.Accept();
        }
        catch (PosixException e) when (e.Errno is Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM)
        {
            // The client stays in the backlog; asking again at once would only spin.
            Log.Warn("{0}; trying again in a second", e.Message);
            Context.SetFdHandler(_listener.Descriptor, null);
            _retryTimer.Arm(TimeSpan.FromSeconds(1));
            return null;
        }
    }

    private void SessionEnded(string reason)
    {
        Log.Info("{0} client disconnected: {1}", _protocol, reason);
        _session = null;
        ClientDisconnected?.Invoke();
        Listen();
    }
}
