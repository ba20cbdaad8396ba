using NLog;
using RingCore.Posix;
using RingCore.VfioUser;

namespace FuseFront.Driver;

/// <summary>
/// What a <see cref="VfioUserClient"/> sends: the questions of its one thread, and the posted writes of any. A posted write
/// never waits: what the socket does not take at once is kept, and follows in order as the server reads. A server that has not
/// read for a time is given up: the connection is over, and whoever watches it sees its end.
/// </summary>
internal sealed class VfioUserOutbox : IDisposable
{
    /// <summary>Far more than an honest device can be behind: it gets a write for each doorbell that it has asked for, and few others.</summary>
    private const int MaxKept = 4096;

    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Lock _lock = new(); // the connection's sending half and all that follows; never held while waiting
    private readonly VfioUserConnection _connection;
    private readonly int _timeoutMs;
    private readonly Queue<byte[]> _kept = new();
    private Task? _flusher;
    private ushort _nextId;

    /// <param name="connection">Stays the caller's, who disposes it after this object; nobody else sends on it.</param>
    /// <param name="timeoutMs">How long the server may leave the socket full.</param>
    public VfioUserOutbox(VfioUserConnection connection, int timeoutMs)
    {
        _connection = connection;
        _timeoutMs = timeoutMs;
    }

    /// <summary>Sends a question, after all that was posted before; waits until it has gone. Returns its id.</summary>
    /// <exception cref="ProtocolException">ETIMEDOUT: the server does not read. The connection is over.</exception>
    /// <exception cref="PosixException">The connection is broken (EPIPE, ECONNRESET).</exception>
    public ushort Send(VfioUserCommand command, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> fds)
    {
        long deadline = Environment.TickCount64 + _timeoutMs;
        ushort id = 0;
        bool hasBegun = false;
        try
        {
            while (true)
            {
                lock (_lock)
                {
                    if (TryAdvance())
                    {
                        if (hasBegun || TrySend(command, payload, fds, out id))
                        {
                            return id;
                        }

                        hasBegun = true;
                    }
                }

                WaitUntilRead((int)Math.Max(0, deadline - Environment.TickCount64));
            }
        }
        catch (IOException e)
        {
            GiveUp(e);
            throw;
        }
    }

    /// <summary>Sends a write, or keeps it for later. Any thread. To a server that has gone it vanishes.</summary>
    public void Post(ReadOnlySpan<byte> write)
    {
        try
        {
            lock (_lock)
            {
                if (TryAdvance())
                {
                    SendWrite(write);
                }
                else
                {
                    Keep(write);
                }

                if (_connection.HasPendingOutput)
                {
                    _flusher ??= Task.Run(Flush);
                }
            }
        }
        catch (IOException e)
        {
            GiveUp(e);
        }
    }

    /// <summary>The connection is over: nothing more is sent, and its end can be read.</summary>
    public void GiveUp(IOException reason)
    {
        bool isGone = reason is PosixException { Errno: Errno.EPIPE or Errno.ECONNRESET };
        Log.Log(isGone ? LogLevel.Debug : LogLevel.Error, "the connection to the device is over: {0}", reason.Message);
        Break();
    }

    /// <summary>Breaks the connection, and returns when nothing here uses it any more. Nobody may post afterwards.</summary>
    public void Dispose() => Break()?.Wait();

    /// <summary>Returns what still has to end.</summary>
    private Task? Break()
    {
        lock (_lock)
        {
            _kept.Clear();
            _connection.Break();
            return _flusher;
        }
    }

    private void Keep(ReadOnlySpan<byte> write)
    {
        if (_kept.Count == MaxKept)
        {
            throw new ProtocolException($"the server leaves more than {MaxKept} writes unread");
        }

        _kept.Enqueue(write.ToArray());
    }

    /// <summary>Sends what is under way and what was kept; true when nothing is left. Under the lock, as all below.</summary>
    private bool TryAdvance()
    {
        while (_connection.Flush())
        {
            if (!_kept.TryDequeue(out byte[]? write))
            {
                return true;
            }

            SendWrite(write);
        }

        return false;
    }

    private void SendWrite(ReadOnlySpan<byte> write)
    {
        VfioUserHeader header = new() { Id = _nextId++, Command = VfioUserCommand.RegionWrite, Flags = VfioUserFlags.NoReply };
        write.CopyTo(_connection.Begin(header, write.Length));
        _connection.Send();
    }

    private bool TrySend(VfioUserCommand command, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> fds, out ushort id)
    {
        VfioUserHeader header = new() { Id = _nextId++, Command = command };
        id = header.Id;
        payload.CopyTo(_connection.Begin(header, payload.Length));
        return _connection.Send(fds);
    }

    /// <summary>On a thread of the pool, while something is kept and the thread that posted it has gone on.</summary>
    private void Flush()
    {
        try
        {
            while (!IsFlushed())
            {
                WaitUntilRead(_timeoutMs);
            }
        }
        catch (IOException e)
        {
            GiveUp(e);
            IsFlushed(); // Nothing is left, and the next one to keep something begins anew.
        }
    }

    private bool IsFlushed()
    {
        lock (_lock)
        {
            bool isFlushed = TryAdvance();
            _flusher = isFlushed ? null : _flusher;
            return isFlushed;
        }
    }

    private void WaitUntilRead(int timeoutMs)
    {
        if (!_connection.Socket.Descriptor.Wait(PollEvents.Out, timeoutMs))
        {
            throw new ProtocolException($"the server has not read for {_timeoutMs / 1000.0} s", Errno.ETIMEDOUT);
        }
    }
}
