using System.Runtime.InteropServices;
using NLog;
using RingCore.Framing;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;

namespace FuseFront.Driver;

/// <summary>
/// A vfio-user client (the published protocol's version 0.0): asks one question at a time and waits for its answer. Thread
/// safe: a lock makes callers wait for one another, which only a doorbell without an ioeventfd ever does on a queue's thread.
/// </summary>
public sealed unsafe class VfioUserClient : IDisposable
{
    private const int AnswerTimeoutMs = 30_000;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Lock _lock = new();
    private readonly VfioUserConnection _connection;
    private readonly VfioUserCapabilities _peer;
    private ushort _nextId;

    private VfioUserClient(VfioUserConnection connection)
    {
        _connection = connection;
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

        _peer = VfioUserCapabilities.Parse(reader.Rest);
    }

    /// <summary>The socket: readable without a question being open means that the server has gone.</summary>
    public FileDescriptor Descriptor => _connection.Socket.Descriptor;

    /// <summary>Connects, waiting up to <paramref name="patience"/> for a server that is only just starting, and agrees on the version.</summary>
    /// <exception cref="PosixException">Nobody serves there.</exception>
    public static VfioUserClient Connect(string path, TimeSpan patience)
    {
        VfioUserConnection connection = new(UnixSocket.Connect(path, patience));
        try
        {
            return new VfioUserClient(connection);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

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
        lock (_lock)
        {
            VfioUserRegionAccess access = new() { Offset = offset, Region = (uint)region, Count = (uint)data.Length };
            ReadOnlySpan<byte> reply = Call(VfioUserCommand.RegionRead, Bytes(ref access));
            if (reply.Length != sizeof(VfioUserRegionAccess) + data.Length)
            {
                throw new ProtocolException($"a read of {data.Length} bytes was answered with {reply.Length}");
            }

            reply[sizeof(VfioUserRegionAccess)..].CopyTo(data);
        }
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
    /// Writes without waiting: a posted write, as memory of a PCI device is written. One to a device that has gone vanishes,
    /// as on a bus: whoever watches <see cref="Descriptor"/> learns of its end, a queue's thread need not.
    /// </summary>
    public void Post<T>(int region, ulong offset, T value)
        where T : unmanaged
    {
        lock (_lock)
        {
            ReadOnlySpan<byte> message = WriteMessage(region, offset, ref value, stackalloc byte[32]);
            VfioUserHeader header = new() { Id = _nextId++, Command = VfioUserCommand.RegionWrite, Flags = VfioUserFlags.NoReply };
            message.CopyTo(_connection.Begin(header, message.Length));
            try
            {
                _connection.SendWithin(AnswerTimeoutMs);
            }
            catch (PosixException e) when (e.Errno is Errno.EPIPE or Errno.ECONNRESET)
            {
                Log.Debug("a write to region {0} at {1:x} found nobody", region, offset);
            }
        }
    }

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
    /// more than one message can carry.
    /// </summary>
    public IoEventFdTable<EventFd> GetIoEventFds(int region)
    {
        const int RoomFor = 256;
        lock (_lock)
        {
            VfioUserRegionIoFds ask = new()
            {
                ArgSize = (uint)(sizeof(VfioUserRegionIoFds) + (RoomFor * sizeof(VfioUserSubRegionIoEventFd))),
                Index = (uint)region,
            };
            PayloadReader reader = new(Call(VfioUserCommand.GetRegionIoFds, Bytes(ref ask)));
            if (!reader.TryRead(out VfioUserRegionIoFds head) || head.Count > RoomFor)
            {
                throw new ProtocolException("the list of ioeventfds is malformed");
            }

            EventFd[] fds = new EventFd[_connection.DescriptorCount];
            for (int i = 0; i < fds.Length; i++)
            {
                fds[i] = new EventFd(_connection.TakeDescriptor(i));
            }

            List<IoEventFd<EventFd>> entries = [];
            for (uint i = 0; i < head.Count && reader.TryRead(out VfioUserSubRegionIoEventFd entry); i++)
            {
                if (entry.Type != VfioUserSubRegionIoEventFd.TypeIoEventFd || entry.FdIndex >= fds.Length)
                {
                    continue; // Not one of ours to ring: such a doorbell travels as a message.
                }

                EventFd fd = fds[entry.FdIndex];
                bool match = (entry.Flags & IoEventFdFlags.DataMatch) != 0;
                entries.Add(new IoEventFd<EventFd>(entry.Offset, (uint)entry.Size, match, entry.DataMatch, fd, fd.Descriptor));
            }

            return new IoEventFdTable<EventFd>(CollectionsMarshal.AsSpan(entries));
        }
    }

    public void Dispose() => _connection.Dispose();

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

    private T Ask<T>(VfioUserCommand command, T question)
        where T : unmanaged
    {
        lock (_lock)
        {
            PayloadReader reader = new(Call(command, Bytes(ref question)));
            return reader.TryRead(out T answer) ? answer : throw new ProtocolException($"the answer to {command} is too short");
        }
    }

    /// <summary>Asks and waits. The answer's payload is valid until the next call.</summary>
    private ReadOnlySpan<byte> Call(VfioUserCommand command, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> fds = default)
    {
        lock (_lock)
        {
            VfioUserHeader header = new() { Id = _nextId++, Command = command };
            payload.CopyTo(_connection.Begin(header, payload.Length));
            _connection.SendWithin(AnswerTimeoutMs, fds);
            switch (_connection.Receive(AnswerTimeoutMs))
            {
                case MessageReceive.Message:
                    break;
                case MessageReceive.WouldBlock:
                    throw new ProtocolException($"the server does not answer {command}", Errno.ETIMEDOUT);
                default:
                    throw new ProtocolException("the server has closed the connection", Errno.ECONNRESET);
            }

            ref readonly VfioUserHeader reply = ref _connection.Header;
            if (!reply.IsReply || reply.Id != header.Id || reply.Command != command)
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
}
