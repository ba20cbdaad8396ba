using System.Runtime.InteropServices;
using NLog;
using RingCore.Framing;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;

namespace FuseFront.Driver;

/// <summary>
/// A vfio-user client (the published protocol's version 0.0): asks one question at a time and waits for its answer. One
/// thread, but for <see cref="Post"/>, which any may call and which waits for nothing: queues' threads send placement hints
/// with it, and ring doorbells that have no ioeventfd.
/// </summary>
public sealed unsafe class VfioUserClient : IDisposable
{
    private const int AnswerTimeoutMs = 30_000;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly VfioUserConnection _connection;
    private readonly VfioUserOutbox _outbox;
    private readonly VfioUserCapabilities _peer;
    private readonly Epoll _watch = new(capacity: 1);
    private readonly int _timeoutMs;

    private VfioUserClient(VfioUserConnection connection, int timeoutMs)
    {
        _connection = connection;
        _timeoutMs = timeoutMs;
        _outbox = new VfioUserOutbox(connection, timeoutMs);
        try
        {
            _watch.Add(connection.Socket.Descriptor, PollEvents.PeerEnd, 0);
            _peer = Negotiate();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// Readable when the connection is at its end, not while there is something to receive: a server may say something unasked.
    /// </summary>
    public FileDescriptor Ended => _watch.Descriptor;

    /// <summary>Connects, waiting up to <paramref name="patience"/> for a server that is only just starting, and agrees on the version.</summary>
    /// <param name="path">The server's socket.</param>
    /// <param name="patience">Not negative.</param>
    /// <param name="timeoutMs">How long the server may take to answer a question, or not read, before it is given up.</param>
    /// <exception cref="PosixException">Nobody serves there.</exception>
    /// <exception cref="ProtocolException">It is no vfio-user server, or one that this client cannot use.</exception>
    public static VfioUserClient Connect(string path, TimeSpan patience, int timeoutMs = AnswerTimeoutMs) =>
        new(new VfioUserConnection(UnixSocket.Connect(path, patience)), timeoutMs);

    /// <summary>Flags, number of regions and of interrupts.</summary>
    public VfioDeviceInfo GetDeviceInfo() =>
        Ask(VfioUserCommand.GetInfo, new VfioDeviceInfo { ArgSize = (uint)sizeof(VfioDeviceInfo) });

    public VfioRegionInfo GetRegionInfo(int index) => Ask(
        VfioUserCommand.GetRegionInfo, new VfioRegionInfo { ArgSize = (uint)sizeof(VfioRegionInfo), Index = (uint)index });

    public VfioIrqInfo GetIrqInfo(int index) =>
        Ask(VfioUserCommand.GetIrqInfo, new VfioIrqInfo { ArgSize = (uint)sizeof(VfioIrqInfo), Index = (uint)index });

    /// <summary>Lets the device access <paramref name="size"/> bytes of <paramref name="fd"/> at <paramref name="iova"/>.</summary>
    public void MapDma(ulong iova, ulong size, FileDescriptor fd)
    {
        VfioUserDmaMap map = new()
        {
            ArgSize = (uint)sizeof(VfioUserDmaMap),
            Flags = VfioUserDmaMapFlags.Read | VfioUserDmaMapFlags.Write,
            Address = iova,
            Size = size,
        };
        Call(VfioUserCommand.DmaMap, Bytes(ref map), [fd]);
    }

    public void UnmapDma(ulong iova, ulong size)
    {
        VfioUserDmaUnmap unmap = new() { ArgSize = (uint)sizeof(VfioUserDmaUnmap), Address = iova, Size = size };
        Call(VfioUserCommand.DmaUnmap, Bytes(ref unmap));
    }

    /// <summary>Reads <paramref name="data"/>'s length of bytes from a region.</summary>
    public void Read(int region, ulong offset, Span<byte> data)
    {
        VfioUserRegionAccess access = new() { Offset = offset, Region = (uint)region, Count = (uint)data.Length };
        ReadOnlySpan<byte> reply = Call(VfioUserCommand.RegionRead, Bytes(ref access));
        if (reply.Length != sizeof(VfioUserRegionAccess) + data.Length)
        {
            throw new ProtocolException($"a read of {data.Length} bytes was answered with {reply.Length}");
        }

        reply[sizeof(VfioUserRegionAccess)..].CopyTo(data);
    }

    public T Read<T>(int region, ulong offset)
        where T : unmanaged
    {
        T value = default;
        Read(region, offset, Bytes(ref value));
        return value;
    }

    /// <summary>Writes and waits until the device has taken it.</summary>
    public void Write<T>(int region, ulong offset, T value)
        where T : unmanaged => Call(VfioUserCommand.RegionWrite, WriteMessage(region, offset, ref value, stackalloc byte[32]));

    /// <summary>
    /// Writes without waiting: a posted write, as memory of a PCI device is written. Any thread. One to a device that has gone
    /// vanishes, as on a bus: whoever watches <see cref="Ended"/> learns of its end, a queue's thread need not.
    /// </summary>
    public void Post<T>(int region, ulong offset, T value)
        where T : unmanaged => _outbox.Post(WriteMessage(region, offset, ref value, stackalloc byte[32]));

    /// <summary>Binds one eventfd a vector, from vector <paramref name="start"/> on, in as many messages as the server needs.</summary>
    public void SetIrqs(int index, int start, IReadOnlyList<FileDescriptor> vectors)
    {
        int most = Math.Min(_peer.MaxMsgFds, UnixSocket.MaxDescriptors);
        for (int done = 0; done < vectors.Count; done += most)
        {
            FileDescriptor[] chunk = vectors.Skip(done).Take(most).ToArray();
            VfioIrqSet set = new()
            {
                ArgSize = (uint)sizeof(VfioIrqSet),
                Flags = VfioIrqSetFlags.DataEventFd | VfioIrqSetFlags.ActionTrigger,
                Index = (uint)index,
                Start = (uint)(start + done),
                Count = (uint)chunk.Length,
            };
            Call(VfioUserCommand.SetIrqs, Bytes(ref set), chunk);
        }
    }

    /// <summary>
    /// Fetches a region's ioeventfds: the doorbells that can be rung without a message. Empty when the device has none, or
    /// more than this client asks for. The caller disposes the eventfds.
    /// </summary>
    /// <exception cref="ProtocolException">The list is malformed, or names a descriptor that is no eventfd.</exception>
    public IoEventFdTable<EventFd> GetIoEventFds(int region)
    {
        const int RoomFor = 256;
        VfioUserRegionIoFds ask = new()
        {
            ArgSize = (uint)(sizeof(VfioUserRegionIoFds) + (RoomFor * sizeof(VfioUserSubRegionIoEventFd))),
            Index = (uint)region,
        };
        PayloadReader reader = new(Call(VfioUserCommand.GetRegionIoFds, Bytes(ref ask)));
        if (!reader.TryRead(out VfioUserRegionIoFds head))
        {
            throw new ProtocolException("the list of ioeventfds is too short");
        }

        if (head.ArgSize > ask.ArgSize)
        {
            Log.Info("region {0} has {1} ioeventfds, more than {2}: its doorbells are rung by messages", region, head.Count, RoomFor);
            return IoEventFdTable<EventFd>.Empty;
        }

        ReadOnlySpan<VfioUserSubRegionIoEventFd> entries = MemoryMarshal.Cast<byte, VfioUserSubRegionIoEventFd>(reader.Rest);
        if (entries.Length < head.Count)
        {
            throw new ProtocolException($"a list of {head.Count} ioeventfds has {reader.Rest.Length} bytes");
        }

        return TakeIoEventFds(entries[..(int)head.Count]);
    }

    /// <summary>Closes the connection. Idempotent; nobody may post any more.</summary>
    public void Dispose()
    {
        if (!_watch.Descriptor.IsClosed)
        {
            _outbox.Dispose();
            _watch.Dispose();
            _connection.Dispose();
        }
    }

    // The struct lives at the caller's and its size bounds the span.
    private static Span<byte> Bytes<T>(ref T value)
        where T : unmanaged => MemoryMarshal.AsBytes(new Span<T>(ref value));

    private static ReadOnlySpan<byte> WriteMessage<T>(int region, ulong offset, ref T value, Span<byte> buffer)
        where T : unmanaged
    {
        VfioUserRegionAccess access = new() { Offset = offset, Region = (uint)region, Count = (uint)sizeof(T) };
        PayloadWriter writer = new(buffer);
        writer.Write(access);
        writer.Write(value);
        return buffer[..writer.Position];
    }

    private VfioUserCapabilities Negotiate()
    {
        VfioUserCapabilities own = new()
        {
            MaxMsgFds = VfioUserConnection.MaxMessageDescriptors,
            MaxDataTransferSize = VfioUserConnection.MaxDataTransferSize,
        };
        byte[] json = own.ToJson();
        byte[] request = new byte[sizeof(VfioUserVersion) + json.Length];
        json.CopyTo(request, sizeof(VfioUserVersion)); // Version 0.0 is all zeros.
        ReadOnlySpan<byte> reply = Call(VfioUserCommand.Version, request);
        PayloadReader reader = new(reply);
        if (!reader.TryRead(out VfioUserVersion version) || version.Major != 0)
        {
            throw new ProtocolException("the server does not speak vfio-user version 0");
        }

        VfioUserCapabilities peer = VfioUserCapabilities.Parse(reader.Rest);
        return peer.MaxMsgFds > 0
            ? peer
            : throw new ProtocolException("the server takes no descriptors (max_msg_fds 0): it can have neither memory nor interrupts");
    }

    /// <summary>All of them, or none: the descriptors that are not taken stay the connection's, which closes them.</summary>
    private IoEventFdTable<EventFd> TakeIoEventFds(ReadOnlySpan<VfioUserSubRegionIoEventFd> entries)
    {
        foreach (ref readonly VfioUserSubRegionIoEventFd entry in entries)
        {
            if (entry.Type == VfioUserSubRegionIoEventFd.TypeIoEventFd)
            {
                RequireSound(entry);
            }
        }

        EventFd?[] fds = new EventFd?[_connection.DescriptorCount];
        List<IoEventFd<EventFd>> doorbells = [];
        foreach (ref readonly VfioUserSubRegionIoEventFd entry in entries)
        {
            // One of another type is not ours to ring: such a doorbell travels as a message.
            if (entry.Type == VfioUserSubRegionIoEventFd.TypeIoEventFd)
            {
                EventFd fd = fds[entry.FdIndex] ??= new EventFd(_connection.TakeDescriptor((int)entry.FdIndex));
                bool match = (entry.Flags & IoEventFdFlags.DataMatch) != 0;
                doorbells.Add(new IoEventFd<EventFd>(entry.Offset, (uint)entry.Size, match, entry.DataMatch, fd, fd.Descriptor));
            }
        }

        return new IoEventFdTable<EventFd>(CollectionsMarshal.AsSpan(doorbells));
    }

    private void RequireSound(in VfioUserSubRegionIoEventFd entry)
    {
        if (entry.Size is not (0 or 1 or 2 or 4 or 8))
        {
            throw new ProtocolException($"the server has an ioeventfd for writes of {entry.Size} bytes");
        }

        if (entry.FdIndex >= _connection.DescriptorCount)
        {
            throw new ProtocolException($"an ioeventfd is descriptor {entry.FdIndex} of the {_connection.DescriptorCount} that came along");
        }

        if (!FileIdentity.IsEventFd(_connection.Descriptor((int)entry.FdIndex)))
        {
            throw new ProtocolException($"the doorbell at {entry.Offset:x} is no eventfd");
        }
    }

    private T Ask<T>(VfioUserCommand command, T question)
        where T : unmanaged
    {
        PayloadReader reader = new(Call(command, Bytes(ref question)));
        return reader.TryRead(out T answer) ? answer : throw new ProtocolException($"the answer to {command} is too short");
    }

    /// <summary>Asks and waits. The answer's payload is valid until the next call.</summary>
    private ReadOnlySpan<byte> Call(VfioUserCommand command, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> fds = default)
    {
        ushort id = _outbox.Send(command, payload, fds);
        switch (_connection.Receive(_timeoutMs))
        {
            case MessageReceive.Message:
                break;
            case MessageReceive.WouldBlock:
                // An answer that comes after all would be taken for the next question's.
                ProtocolException late = new($"the server does not answer {command}", Errno.ETIMEDOUT);
                _outbox.GiveUp(late);
                throw late;
            case MessageReceive.BadSize:
                throw new ProtocolException($"the server answers {command} with an impossible {_connection.Header.Size} bytes");
            default:
                throw new ProtocolException("the server has closed the connection", Errno.ECONNRESET);
        }

        ref readonly VfioUserHeader reply = ref _connection.Header;
        if (reply.IsCommand)
        {
            throw new ProtocolException($"the server asks for {reply.Command} of its own accord, which this client does not serve");
        }

        if (!reply.IsReply || reply.Id != id || reply.Command != command)
        {
            throw new ProtocolException($"the server answers {command} with something else ({reply.Command})");
        }

        if ((reply.Flags & VfioUserFlags.Error) != 0)
        {
            throw new ProtocolException($"{command}: {Errno.Describe((int)reply.Error)}", (int)reply.Error);
        }

        return _connection.Payload;
    }
}
