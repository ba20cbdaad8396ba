using System.Runtime.InteropServices;
using NLog;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>
/// One session with a vhost-user back end, as its front end (QEMU's docs/interop/vhost-user.rst): asks one question at a time
/// and waits for its answer. Whatever the back end answers is checked here; what it may not do is a
/// <see cref="ProtocolException"/> of one line. One thread.
/// </summary>
public sealed unsafe class VhostUserClient : IDisposable
{
    private const int AnswerTimeoutMs = 30_000;

    /// <summary>A back end that serves somebody else leaves the first question unanswered; a person waits for that.</summary>
    private const int FirstAnswerTimeoutMs = 5_000;

    private const VhostUserProtocolFeatures Understood =
        VhostUserProtocolFeatures.MultiQueue | VhostUserProtocolFeatures.ReplyAck | VhostUserProtocolFeatures.Config
        | VhostUserProtocolFeatures.Status;

    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly VhostUserConnection _connection;
    private readonly int _timeoutMs;

    /// <summary>Begins the session on a connected socket, which this object owns from now on.</summary>
    /// <param name="socket">Connected.</param>
    /// <param name="timeoutMs">How long the back end may take to answer, not read, or end the session.</param>
    /// <exception cref="ProtocolException">The back end cannot be one of a block device.</exception>
    public VhostUserClient(UnixSocket socket, int timeoutMs = AnswerTimeoutMs)
    {
        _timeoutMs = timeoutMs;
        _connection = new VhostUserConnection(socket);
        try
        {
            BackendFeatures = (VirtioFeatures)AskU64(VhostUserRequest.GetFeatures, FirstAnswerTimeoutMs);
            if (!BackendFeatures.HasFlag(VirtioFeatures.VhostUserProtocolFeatures))
            {
                throw new ProtocolException("the back end has no protocol features; a block device's has CONFIG at least");
            }

            VhostUserProtocolFeatures offered = (VhostUserProtocolFeatures)AskU64(VhostUserRequest.GetProtocolFeatures);
            if (!offered.HasFlag(VhostUserProtocolFeatures.Config))
            {
                throw new ProtocolException("the back end does not tell its configuration (no CONFIG); is it one of a block device?");
            }

            // Acknowledged only from the next message on.
            Tell(VhostUserRequest.SetProtocolFeatures, (ulong)(offered & Understood));
            ProtocolFeatures = offered & Understood;
            Tell(VhostUserRequest.SetOwner, []);
        }
        catch
        {
            _connection.Dispose();
            throw;
        }

        Log.Debug("protocol features {0}, features {1}", ProtocolFeatures, BackendFeatures);
    }

    /// <summary>The socket, to be watched for its end.</summary>
    public FileDescriptor Descriptor => _connection.Socket.Descriptor;

    /// <summary>What the back end offers, the bit of the protocol's own features included.</summary>
    public VirtioFeatures BackendFeatures { get; }

    /// <summary>What was agreed on.</summary>
    public VhostUserProtocolFeatures ProtocolFeatures { get; }

    /// <summary>Sends a request without an answer of its own, and waits until it is done where the back end can say so.</summary>
    /// <exception cref="ProtocolException">The back end refuses it.</exception>
    public void Tell(VhostUserRequest request, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> fds = default)
    {
        bool acknowledged = ProtocolFeatures.HasFlag(VhostUserProtocolFeatures.ReplyAck);
        Send(request, acknowledged ? VhostUserFlags.NeedReply : VhostUserFlags.None, payload, fds);
        if (acknowledged && ReceiveU64(request, _timeoutMs) is not 0 and var result)
        {
            throw new ProtocolException($"the back end refuses {request} ({result})", Errno.EINVAL);
        }
    }

    public void Tell(VhostUserRequest request, ulong value, ReadOnlySpan<FileDescriptor> fds = default) =>
        Tell(request, Bytes(ref value), fds);

    public void Tell<T>(VhostUserRequest request, T payload)
        where T : unmanaged => Tell(request, Bytes(ref payload));

    /// <summary>Asks for a number.</summary>
    public ulong AskU64(VhostUserRequest request) => AskU64(request, _timeoutMs);

    /// <summary>Fills <paramref name="config"/>, at most <see cref="VhostUserConfig.MaxSize"/> bytes, with the beginning of the configuration.</summary>
    public void ReadConfig(Span<byte> config)
    {
        VhostUserConfig ask = new() { Size = (uint)config.Length };
        Span<byte> message = stackalloc byte[sizeof(VhostUserConfig) + VhostUserConfig.MaxSize];
        message = message[..(sizeof(VhostUserConfig) + config.Length)];
        message.Clear();
        MemoryMarshal.Write(message, ask);
        Send(VhostUserRequest.GetConfig, VhostUserFlags.None, message, []);
        ReadOnlySpan<byte> answer = Receive(VhostUserRequest.GetConfig, _timeoutMs);
        PayloadReader reader = new(answer);
        if (!reader.TryRead(out VhostUserConfig head) || head.Offset != 0 || head.Size != config.Length || reader.Rest.Length != config.Length)
        {
            throw new ProtocolException($"the back end answers a question for {config.Length} bytes of configuration with {answer.Length} bytes");
        }

        reader.Rest.CopyTo(config);
    }

    /// <summary>
    /// Ends the session and waits until the back end has hung up too: it does so when what it had begun is finished, and
    /// touches nothing of the memory afterwards.
    /// </summary>
    /// <exception cref="ProtocolException">ETIMEDOUT: it does not hang up, whatever it has to say meanwhile.</exception>
    public void End()
    {
        _connection.Socket.EndSending();
        long deadline = Environment.TickCount64 + _timeoutMs;
        while (true)
        {
            int left = (int)Math.Max(0, deadline - Environment.TickCount64);
            switch (_connection.Receive(left))
            {
                case MessageReceive.Closed:
                    return;
                case MessageReceive.Message when left > 0:
                    break; // What it still had to say does not matter any more.
                case MessageReceive.Message or MessageReceive.WouldBlock:
                    throw new ProtocolException("the back end does not end the session: it still has requests", Errno.ETIMEDOUT);
                default:
                    throw new ProtocolException("the back end sends a message of an impossible size");
            }
        }
    }

    public void Dispose() => _connection.Dispose();

    // The struct lives at the caller's and its size bounds the span.
    private static ReadOnlySpan<byte> Bytes<T>(ref T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(ref value));

    private ulong AskU64(VhostUserRequest request, int timeoutMs)
    {
        Send(request, VhostUserFlags.None, [], []);
        return ReceiveU64(request, timeoutMs);
    }

    private void Send(VhostUserRequest request, VhostUserFlags flags, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> fds)
    {
        payload.CopyTo(_connection.Begin(request, flags, payload.Length));
        try
        {
            _connection.SendWithin(_timeoutMs, fds);
        }
        catch (PosixException e) when (e.Errno is Errno.EPIPE or Errno.ECONNRESET)
        {
            throw Gone(request);
        }
    }

    private ulong ReceiveU64(VhostUserRequest request, int timeoutMs)
    {
        ReadOnlySpan<byte> answer = Receive(request, timeoutMs);
        return answer.Length == sizeof(ulong)
            ? MemoryMarshal.Read<ulong>(answer)
            : throw new ProtocolException($"the back end answers {request} with {answer.Length} bytes instead of {sizeof(ulong)}");
    }

    /// <summary>The payload of the answer, valid until the next message.</summary>
    private ReadOnlySpan<byte> Receive(VhostUserRequest request, int timeoutMs)
    {
        switch (_connection.Receive(timeoutMs))
        {
            case MessageReceive.Message:
                break;
            case MessageReceive.WouldBlock:
                _connection.Break(); // An answer that comes after all would be taken for the next question's.
                throw new ProtocolException($"the back end does not answer {request}; is it serving another front end?", Errno.ETIMEDOUT);
            case MessageReceive.BadSize:
                throw new ProtocolException($"the back end answers {request} with an impossible {_connection.Header.Size} bytes");
            default:
                throw Gone(request);
        }

        ref readonly VhostUserHeader header = ref _connection.Header;
        if (!header.IsReply || !header.IsVersion1 || header.Request != request)
        {
            throw new ProtocolException($"the back end answers {request} with something else ({header.Request}, flags {(uint)header.Flags:x})");
        }

        return _connection.Payload;
    }

    private static ProtocolException Gone(VhostUserRequest request) =>
        new($"the back end has closed the connection at {request}", Errno.ECONNRESET);
}
