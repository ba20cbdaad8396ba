using NLog;
using RingCore.Aio;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Server;

/// <summary>One vhost-user front-end's connection (QEMU's docs/interop/vhost-user.rst).</summary>
/// <remarks>
/// One file a subject: <c>.Features</c>, <c>.Memory</c>, <c>.Rings</c>, <c>.Config</c>, <c>.Inflight</c>. A handler that has an
/// answer begins it with <see cref="BeginReply"/>; one that must refuse throws. A refusal is told where the front-end has asked to
/// be told (REPLY_ACK); where it has not, it would go on as if all were well, so the connection is closed.
/// </remarks>
internal sealed partial class VhostUserSession : ClientSession
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly VhostUserServer _server;
    private readonly VhostUserTransport _transport;
    private readonly VhostUserConnection _connection;
    private FileDescriptor? _replyDescriptor;
    private bool _replyBegun;

    internal VhostUserSession(
        VhostUserServer server,
        AioContext context,
        VhostUserTransport transport,
        VhostUserConnection connection,
        Action<string> ended)
        : base(context, connection, ended)
    {
        _server = server;
        _transport = transport;
        _connection = connection;
    }

    private protected override void PutBack() => _transport.Clear();

    private protected override void CountFault() => _server.Faults++;

    private protected override void RefuseSize()
    {
        _server.Errors++;
        CloseReason = $"a message with {_connection.Header.Size} bytes of payload";
    }

    private protected override void ServeMessage()
    {
        VhostUserHeader header = _connection.Header;
        _replyBegun = false;
        try
        {
            if (!header.IsVersion1 || header.IsReply || _connection.HasBadDescriptors)
            {
                throw new ProtocolException($"flags {(uint)header.Flags:x}, or more descriptors than can be taken", Errno.EINVAL);
            }

            Dispatch(header.Request);
        }
        catch (Exception e) when (e is PosixException or ProtocolException)
        {
            Refuse(header, e);
            return;
        }

        if (_replyBegun)
        {
            SendReply();
        }
        else if (header.NeedsReply && HasReplyAck)
        {
            Acknowledge(0);
        }
    }

    private void Dispatch(VhostUserRequest request)
    {
        switch (request)
        {
            case VhostUserRequest.GetFeatures:
                GetFeatures();
                break;
            case VhostUserRequest.SetFeatures:
                SetFeatures();
                break;
            case VhostUserRequest.GetProtocolFeatures:
                Answer((ulong)OurProtocolFeatures);
                break;
            case VhostUserRequest.SetProtocolFeatures:
                SetProtocolFeatures();
                break;
            case VhostUserRequest.GetQueueNum:
                Answer((ulong)_transport.Rings.Count);
                break;
            case VhostUserRequest.SetOwner:
                break;
            case VhostUserRequest.ResetOwner:
                DisableRings();
                break;
            case VhostUserRequest.ResetDevice:
                ResetDevice();
                break;
            case VhostUserRequest.SetStatus:
                SetStatus();
                break;
            case VhostUserRequest.GetStatus:
                GetStatus();
                break;
            case VhostUserRequest.GetConfig:
                GetConfig();
                break;
            case VhostUserRequest.SetConfig:
                SetConfig();
                break;
            default:
                DispatchRings(request);
                break;
        }
    }

    private void DispatchRings(VhostUserRequest request)
    {
        switch (request)
        {
            case VhostUserRequest.SetMemTable:
                SetMemTable();
                break;
            case VhostUserRequest.GetMaxMemSlots:
                Answer(VhostUserMemory.MaxSlots);
                break;
            case VhostUserRequest.AddMemReg:
                AddMemReg();
                break;
            case VhostUserRequest.RemMemReg:
                RemMemReg();
                break;
            case VhostUserRequest.SetVringNum:
                SetVringNum();
                break;
            case VhostUserRequest.SetVringAddr:
                SetVringAddr();
                break;
            case VhostUserRequest.SetVringBase:
                SetVringBase();
                break;
            case VhostUserRequest.GetVringBase:
                GetVringBase();
                break;
            case VhostUserRequest.SetVringKick:
                SetVringKick();
                break;
            case VhostUserRequest.SetVringCall:
                SetVringNotifier(r => r.Call);
                break;
            case VhostUserRequest.SetVringErr:
                SetVringNotifier(r => r.Error);
                break;
            case VhostUserRequest.SetVringEnable:
                SetVringEnable();
                break;
            case VhostUserRequest.GetInflightFd:
                GetInflightFd();
                break;
            case VhostUserRequest.SetInflightFd:
                SetInflightFd();
                break;
            default:
                throw new ProtocolException("not offered", Errno.EOPNOTSUPP);
        }
    }

    private void Refuse(in VhostUserHeader header, Exception e)
    {
        _server.Errors++;
        int errno = e is PosixException posix ? posix.Errno : ((ProtocolException)e).Errno;
        Log.Warn("{0} refused: {1}", header.Request, e.Message);
        if (header.Request == VhostUserRequest.GetConfig && header.IsVersion1)
        {
            // An answer without payload says so.
            BeginReply(0);
            SendReply();
        }
        else if (header.NeedsReply && HasReplyAck && header.IsVersion1 && !HasAnswer(header.Request))
        {
            Acknowledge((ulong)errno);
        }
        else
        {
            CloseReason = $"{header.Request} could not be served: {e.Message}";
        }
    }

    /// <summary>Requests whose answer has a form of its own, which an errno would be mistaken for.</summary>
    private static bool HasAnswer(VhostUserRequest request) => request is VhostUserRequest.GetFeatures
        or VhostUserRequest.GetProtocolFeatures or VhostUserRequest.GetQueueNum or VhostUserRequest.GetVringBase
        or VhostUserRequest.GetInflightFd or VhostUserRequest.GetMaxMemSlots or VhostUserRequest.GetStatus;

    /// <summary>The payload as one struct; more than that is not looked at.</summary>
    private T Payload<T>()
        where T : unmanaged =>
        new PayloadReader(_connection.Payload).TryRead(out T value)
            ? value
            : throw new ProtocolException($"{_connection.Payload.Length} bytes of payload are too few", Errno.EINVAL);

    private void RequireDescriptors(int count)
    {
        if (_connection.DescriptorCount != count)
        {
            throw new ProtocolException($"{_connection.DescriptorCount} descriptors came along, not {count}", Errno.EINVAL);
        }
    }

    /// <summary>Begins the answer to the message in hand; returns its payload to be filled in.</summary>
    private PayloadWriter BeginReply(int payloadLength)
    {
        _replyBegun = true;
        return new PayloadWriter(_connection.Begin(_connection.Header.Request, VhostUserFlags.Reply, payloadLength));
    }

    private void Answer(ulong value) => BeginReply(sizeof(ulong)).Write(value);

    private void Acknowledge(ulong errno)
    {
        Answer(errno);
        SendReply();
    }

    private void SendReply()
    {
        using FileDescriptor? descriptor = _replyDescriptor;
        _replyDescriptor = null;
        _connection.Send(descriptor is null ? [] : [descriptor]);
    }
}
