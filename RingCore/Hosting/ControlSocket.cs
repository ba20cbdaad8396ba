using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using NLog;
using RingCore.Posix;

namespace RingCore.Hosting;

/// <summary>
/// A process's control socket: JSON lines over a UNIX stream socket of mode 0600. A request is an object with an
/// <c>op</c>; the reply is one line, <c>{"ok":true, …}</c> or <c>{"ok":false,"error":"…","errno":N}</c>. Owns its threads
/// and the path. What comes in is not trusted: a line has a bound, a client a time and the clients a number.
/// </summary>
public sealed class ControlSocket : IDisposable
{
    /// <summary>The longest line in bytes, either way.</summary>
    public const int MaxLineBytes = 1 << 20;

    private const int MaxClients = 16;
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LastRepliesTimeout = TimeSpan.FromSeconds(2);
    private static readonly Logger Log = LogManager.GetLogger(nameof(ControlSocket));
    private readonly string _path;
    private readonly Func<JsonObject, JsonObject?> _handler;
    private readonly Socket _listener;
    private readonly Lock _handling = new();
    private readonly Dictionary<Socket, Thread> _clients = []; // guarded by itself
    private readonly Thread _acceptor;
    private volatile bool _disposed; // partner: the acceptor's and clients' checks

    /// <summary>Binds <paramref name="path"/>, over a socket that nobody listens on any more, and starts to serve.</summary>
    /// <param name="path">At most <see cref="SocketPath.MaxBytes"/> bytes.</param>
    /// <param name="handler">
    /// Called for one request at a time, on a thread of this object; it may hand the work on to another thread and wait. Its
    /// result's members go into the reply beside <c>ok</c>; null stands for none. What it throws becomes the error reply.
    /// </param>
    /// <exception cref="UserErrorException">The path is too long, taken, or not writable.</exception>
    public ControlSocket(string path, Func<JsonObject, JsonObject?> handler)
    {
        _path = path;
        _handler = handler;
        SocketPath.Claim(path);
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            PathStatus.SetPermissions(path, 0b110_000_000);
            _listener.Listen(MaxClients); // nobody can connect before this, so nobody came in under a looser mode
        }
        catch (SocketException e)
        {
            _listener.Dispose();
            throw new UserErrorException($"control socket {path}: {e.Message}; choose another path", e);
        }

        _acceptor = new Thread(AcceptLoop) { IsBackground = true, Name = "control" };
        _acceptor.Start();
    }

    /// <summary>Stops accepting, lets replies on their way out leave for two seconds, closes all and removes the path.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        File.Delete(_path);
        _listener.Dispose(); // wakes the acceptor
        KeyValuePair<Socket, Thread>[] clients;
        lock (_clients)
        {
            clients = [.. _clients];
        }

        foreach ((Socket client, Thread thread) in clients)
        {
            // Nothing more is read, while a reply can still leave.
            ShutDownQuietly(client, SocketShutdown.Receive);
            if (thread != Thread.CurrentThread && !thread.Join(LastRepliesTimeout))
            {
                client.Dispose();
            }
        }
    }

    private void AcceptLoop()
    {
        while (!_disposed)
        {
            try
            {
                Admit(_listener.Accept());
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                if (_disposed)
                {
                    return;
                }

                Log.Warn("accept failed: {0}", e.Message);
                Thread.Sleep(100); // out of descriptors, perhaps: no busy loop meanwhile
            }
        }
    }

    private void Admit(Socket client)
    {
        client.ReceiveTimeout = client.SendTimeout = (int)IdleTimeout.TotalMilliseconds;
        var thread = new Thread(() => Serve(client)) { IsBackground = true, Name = "control client" };
        lock (_clients)
        {
            if (_clients.Count < MaxClients && !_disposed)
            {
                _clients.Add(client, thread);
                thread.Start();
                return;
            }
        }

        Log.Warn("refused a client: {0} are connected", MaxClients);
        client.Dispose();
    }

    private void Serve(Socket client)
    {
        try
        {
            var lines = new LineReader(client, MaxLineBytes);
            while (!_disposed && lines.TryRead(out byte[]? line))
            {
                JsonObject reply = line is null ? Failure($"a line is longer than {MaxLineBytes} bytes") : Answer(line);
                SendLine(client, reply);
                if (line is null)
                {
                    return; // where the next line begins is not known
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Log.Debug("client lost: {0}", e.Message);
        }
        finally
        {
            lock (_clients)
            {
                _clients.Remove(client);
            }

            client.Dispose();
        }
    }

    private JsonObject Answer(byte[] line)
    {
        try
        {
            if (JsonNode.Parse(line) is not JsonObject request || request["op"] is not JsonValue op || !op.TryGetValue(out string? _))
            {
                return Failure("a request is a JSON object with an \"op\"");
            }

            return Call(request);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            // ArgumentException: the same name twice in one object. InvalidOperationException: a name or text that is no Unicode.
            return Failure($"not JSON: {e.Message}");
        }
    }

    private JsonObject Call(JsonObject request)
    {
        var reply = new JsonObject { ["ok"] = true };
        try
        {
            JsonObject? result;
            lock (_handling)
            {
                result = _handler(request);
            }

            foreach ((string name, JsonNode? value) in result?.ToArray() ?? [])
            {
                result!.Remove(name); // a node has one parent
                reply[name] = value;
            }

            return reply;
        }
        catch (Exception e)
        {
            // Whatever a request does to its handler, the process lives on, and the client is told.
            Log.Warn("request {0} failed: {1}", request["op"], e.Message);
            return Failure(CommandHost.Describe(e), (e as PosixException)?.Errno ?? (e as ControlRefusalException)?.Errno);
        }
    }

    private static JsonObject Failure(string error, int? errno = null)
    {
        var reply = new JsonObject { ["ok"] = false, ["error"] = error };
        if (errno is not null)
        {
            reply["errno"] = errno;
        }

        return reply;
    }

    private static void SendLine(Socket client, JsonObject reply)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(reply, ControlJson.Default.JsonObject), (byte)'\n'];
        for (int sent = 0; sent < line.Length;)
        {
            sent += client.Send(line, sent, line.Length - sent, SocketFlags.None);
        }
    }

    private static void ShutDownQuietly(Socket client, SocketShutdown how)
    {
        try
        {
            client.Shutdown(how);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Log.Debug("client was gone already: {0}", e.Message);
        }
    }
}
