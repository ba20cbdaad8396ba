using NLog;
using RingCore.Aio;
using RingCore.Framing;
using RingCore.Posix;

namespace Backend.Server;

/// <summary>
/// One client's connection: takes its messages in their order, answers each before the next, and puts the device back when the
/// client leaves. Whatever the client sends, the worst that comes of it is the end of this session. On the server's thread. What
/// the messages mean a derived class says.
/// </summary>
internal abstract class ClientSession
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly MessageConnection _connection;
    private readonly Action<string> _ended;
    private readonly AioHandler _readHandler;
    private readonly AioHandler _writeHandler;
    private bool _busy;
    private bool _writing;

    /// <param name="context">The server's loop.</param>
    /// <param name="connection">The client; this object owns it.</param>
    /// <param name="ended">Told why, once the session is over.</param>
    private protected ClientSession(AioContext context, MessageConnection connection, Action<string> ended)
    {
        Context = context;
        _connection = connection;
        _ended = ended;
        _readHandler = new AioHandler { Read = OnReadable, IsExternal = true };
        _writeHandler = new AioHandler { Write = OnWritable, IsExternal = true };
        Context.SetFdHandler(connection.Socket.Descriptor, _readHandler);
    }

    /// <summary>Once it says something, the session ends with it as soon as what was answered has gone.</summary>
    private protected string? CloseReason { get; set; }

    /// <summary>The server's loop.</summary>
    private protected AioContext Context { get; }

    private protected bool IsEnded { get; private set; }

    /// <summary>Ends the session: puts the device back, drops all that the client gave, closes the connection.</summary>
    internal void End(string reason)
    {
        if (IsEnded)
        {
            return;
        }

        IsEnded = true;
        Context.SetFdHandler(_connection.Socket.Descriptor, null);
        PutBack();
        _connection.Dispose();
        _ended(reason);
    }

    /// <summary>Serves the message that the connection has just taken.</summary>
    private protected abstract void ServeMessage();

    /// <summary>A header whose size is impossible. The session must end: set <see cref="CloseReason"/>.</summary>
    private protected abstract void RefuseSize();

    /// <summary>The device back to how it was before the client: quiet, no memory, no eventfds.</summary>
    private protected abstract void PutBack();

    /// <summary>Counts an error that nobody foresaw: a fault of ours.</summary>
    private protected abstract void CountFault();

    private void OnReadable()
    {
        // Waiting for requests in flight may run the loop within a handler: messages keep their order all the same.
        if (_busy)
        {
            return;
        }

        Guarded(static session =>
        {
            if (session._connection.Fill() == MessageReceive.Closed)
            {
                session.CloseReason = "the client closed the connection";
            }
        });
    }

    private void OnWritable()
    {
        if (!_busy)
        {
            Guarded(static session => session._connection.Flush());
        }
    }

    /// <summary>Runs a step, then every message that is there, and ends the session if that is what came of it.</summary>
    private void Guarded(Action<ClientSession> step)
    {
        _busy = true;
        try
        {
            step(this);
            ServeMessages();
        }
        catch (PosixException e)
        {
            _connection.Discard();
            CloseReason = e.Message;
        }
        catch (Exception e)
        {
            CountFault();
            Log.Error(e, "a client's message met an unexpected error; closing its connection");
            _connection.Discard();
            CloseReason = "an unexpected error";
        }
        finally
        {
            _busy = false;
        }

        if (CloseReason is not null && !_connection.HasPendingOutput)
        {
            End(CloseReason);
        }
        else
        {
            WatchFor(_connection.HasPendingOutput);
        }
    }

    /// <summary>A client that does not read its answers is not listened to until it does: so its backlog is bounded.</summary>
    private void WatchFor(bool writing)
    {
        if (_writing != writing && !IsEnded)
        {
            _writing = writing;
            Context.SetFdHandler(_connection.Socket.Descriptor, writing ? _writeHandler : _readHandler);
        }
    }

    private void ServeMessages()
    {
        while (CloseReason is null && !IsEnded && !_connection.HasPendingOutput)
        {
            switch (_connection.TryTake())
            {
                case MessageReceive.Message:
                    ServeMessage();
                    break;
                case MessageReceive.BadSize:
                    RefuseSize();
                    break;
                default:
                    return;
            }
        }
    }
}
