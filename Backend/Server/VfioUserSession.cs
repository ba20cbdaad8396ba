using Backend.Device;
using NLog;
using RingCore.Aio;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Server;

/// <summary>One vfio-user client's connection.</summary>
/// <remarks>
/// One file a subject: <c>.Version</c>, <c>.Dma</c>, <c>.Info</c>, <c>.Irqs</c>, <c>.Regions</c>. A handler returns 0 or the
/// errno to answer with; one that has a payload to answer begins it with <see cref="BeginReply"/>.
/// </remarks>
internal sealed partial class VfioUserSession : ClientSession
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly VirtioPciProxy _device;
    private readonly VfioUserConnection _connection;
    private readonly VfioUserServerStatistics _statistics;
    private readonly List<FileDescriptor> _replyDescriptors = [];
    private bool _replyBegun;

    internal VfioUserSession(
        AioContext context, VirtioPciProxy device, UnixSocket socket, VfioUserServerStatistics statistics, Action<string> ended)
        : this(context, device, new VfioUserConnection(socket), statistics, ended)
    {
    }

    private VfioUserSession(
        AioContext context,
        VirtioPciProxy device,
        VfioUserConnection connection,
        VfioUserServerStatistics statistics,
        Action<string> ended)
        : base(context, connection, ended)
    {
        _device = device;
        _connection = connection;
        _statistics = statistics;
    }

    private protected override void PutBack()
    {
        // Interrupts first: the client is not to hold up the rest by what it does with its eventfds.
        SetEndOfInterrupt(null);
        _device.Interrupts.Clear();
        _device.Reset();
        _device.Device.WhileDrained(_device.Memory.Clear);
    }

    private protected override void CountFault() => _statistics.Faults++;

    private protected override void ServeMessage() => Serve(_connection.Header);

    private protected override void RefuseSize()
    {
        _statistics.Errors++;
        CloseReason = $"a message of {_connection.Header.Size} bytes";
        ReplyError(_connection.Header, Errno.EINVAL);
    }

    private void Serve(in VfioUserHeader header)
    {
        _statistics.Count(header.Command);
        _replyBegun = false;
        _replyDescriptors.Clear();
        int errno = CheckHeader(header);
        if (errno == 0)
        {
            errno = Dispatch(header.Command);
        }

        if (errno != 0)
        {
            _statistics.Errors++;
            Log.Debug("{0} of {1} bytes refused: {2}", header.Command, header.Size, Errno.Name(errno));
            ReplyError(header, errno);
        }
        else if (!header.WantsNoReply)
        {
            Reply(header);
        }
    }

    private int CheckHeader(in VfioUserHeader header)
    {
        if (!_isNegotiated && header.Command != VfioUserCommand.Version)
        {
            CloseReason = $"{header.Command} before VERSION";
            return Errno.EINVAL;
        }

        bool payload = !_connection.Payload.IsEmpty || header.Command == VfioUserCommand.Reset;
        return header.IsCommand && payload && !_connection.HasBadDescriptors ? 0 : Errno.EINVAL;
    }

    private int Dispatch(VfioUserCommand command)
    {
        try
        {
            return command switch
            {
                VfioUserCommand.RegionWrite => RegionWrite(),
                VfioUserCommand.RegionRead => RegionRead(),
                VfioUserCommand.Version => Version(),
                VfioUserCommand.DmaMap => DmaMap(),
                VfioUserCommand.DmaUnmap => DmaUnmap(),
                VfioUserCommand.GetInfo => GetInfo(),
                VfioUserCommand.GetRegionInfo => GetRegionInfo(),
                VfioUserCommand.GetRegionIoFds => GetRegionIoFds(),
                VfioUserCommand.GetIrqInfo => GetIrqInfo(),
                VfioUserCommand.SetIrqs => SetIrqs(),
                VfioUserCommand.Reset => Reset(),
                VfioUserCommand.DeviceFeature or VfioUserCommand.MigDataRead or VfioUserCommand.MigDataWrite
                    or VfioUserCommand.RegionWriteMulti => Errno.EOPNOTSUPP,
                _ => Errno.EINVAL,
            };
        }
        catch (PosixException e)
        {
            Log.Debug("{0}: {1}", command, e.Message);
            return e.Errno;
        }
        catch (ProtocolException e)
        {
            Log.Debug("{0}: {1}", command, e.Message);
            return e.Errno;
        }
    }

    private int Reset()
    {
        _device.Reset();
        return 0;
    }

    /// <summary>Begins the answer to the message in hand; returns its payload to be filled in.</summary>
    private Span<byte> BeginReply(int payloadLength)
    {
        _replyBegun = true;
        VfioUserHeader header = _connection.Header;
        header.Flags = VfioUserFlags.Reply;
        header.Error = 0;
        return _connection.Begin(header, payloadLength);
    }

    private void Reply(in VfioUserHeader header)
    {
        if (!_replyBegun)
        {
            BeginReply(0);
        }

        _connection.Send(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_replyDescriptors));
    }

    /// <summary>An error answer is the header alone; a posted message gets none.</summary>
    private void ReplyError(VfioUserHeader header, int errno)
    {
        if (header.WantsNoReply && header.IsCommand)
        {
            return;
        }

        header.Flags = VfioUserFlags.Reply | VfioUserFlags.Error;
        header.Error = (uint)errno;
        _connection.Begin(header, 0);
        _connection.Send();
    }
}
