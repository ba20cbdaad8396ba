using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using RingCore.Aio;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Tests.Server;

/// <summary>A vhost-user front-end made of bytes, which turns the server's loop while it waits.</summary>
internal sealed class VhostUserTestClient(UnixSocket socket, AioContext context) : IDisposable
{
    private const uint Version1 = 1;
    private const uint NeedReply = 8;
    private readonly VhostUserConnection _connection = new(socket);
    private readonly List<FileDescriptor> _received = [];

    internal static byte[] Message(VhostUserRequest request, uint flags, ReadOnlySpan<byte> payload, uint? size = null)
    {
        byte[] message = new byte[VhostUserHeader.Length + payload.Length];
        MemoryMarshal.Write(message, (uint)request);
        MemoryMarshal.Write(message.AsSpan(4), flags);
        MemoryMarshal.Write(message.AsSpan(8), size ?? (uint)payload.Length);
        payload.CopyTo(message.AsSpan(VhostUserHeader.Length));
        return message;
    }

    internal static byte[] Bytes<T>(T value)
        where T : unmanaged
    {
        byte[] bytes = new byte[Unsafe.SizeOf<T>()];
        MemoryMarshal.Write(bytes, value);
        return bytes;
    }

    internal void SendRaw(ReadOnlySpan<byte> bytes, params FileDescriptor[] descriptors) =>
        Assert.That(socket.Send(bytes, descriptors), Is.EqualTo(bytes.Length));

    /// <summary>Sends a message that asks for no answer.</summary>
    internal void Post(VhostUserRequest request, byte[] payload, params FileDescriptor[] descriptors) =>
        SendRaw(Message(request, Version1, payload), descriptors);

    internal void Post(VhostUserRequest request, ulong value, params FileDescriptor[] descriptors) =>
        Post(request, Bytes(value), descriptors);

    /// <summary>Sends a message and returns what it is acknowledged with: 0, or an errno.</summary>
    internal int Result(VhostUserRequest request, byte[] payload, params FileDescriptor[] descriptors)
    {
        SendRaw(Message(request, Version1 | NeedReply, payload), descriptors);
        return Acknowledgement(request);
    }

    /// <summary>What a message that was sent is acknowledged with.</summary>
    internal int Acknowledgement(VhostUserRequest request) => (int)MemoryMarshal.Read<ulong>(Reply(request, sizeof(ulong)));

    internal int Result(VhostUserRequest request, ulong value, params FileDescriptor[] descriptors) =>
        Result(request, Bytes(value), descriptors);

    internal int Result(VhostUserRequest request, uint ring, uint value) =>
        Result(request, Bytes(new VhostUserVringState { Index = ring, Value = value }));

    /// <summary>Sends a message that must be done.</summary>
    internal void Tell(VhostUserRequest request) => Assert.That(Result(request, []), Is.Zero, $"{request}");

    internal void Tell(VhostUserRequest request, ulong value, params FileDescriptor[] descriptors) =>
        Assert.That(Result(request, value, descriptors), Is.Zero, $"{request}");

    internal void Tell(VhostUserRequest request, uint ring, uint value) => Assert.That(Result(request, ring, value), Is.Zero, $"{request}");

    /// <summary>Asks for something that has an answer of its own; its descriptors are appended to <paramref name="descriptors"/>.</summary>
    internal byte[] Ask(VhostUserRequest request, byte[] payload, List<FileDescriptor>? descriptors = null)
    {
        SendRaw(Message(request, Version1, payload));
        byte[] reply = Reply(request, null);
        descriptors?.AddRange(_received);
        return reply;
    }

    internal ulong AskU64(VhostUserRequest request) => MemoryMarshal.Read<ulong>(Ask(request, []));

    internal uint GetVringBase(uint ring)
    {
        VhostUserVringState state =
            MemoryMarshal.Read<VhostUserVringState>(Ask(VhostUserRequest.GetVringBase, Bytes(new VhostUserVringState { Index = ring })));
        Assert.That(state.Index, Is.EqualTo(ring));
        return state.Value;
    }

    internal int SetMemTable(IReadOnlyList<VhostUserMemoryRegion> regions, params FileDescriptor[] descriptors) =>
        Result(VhostUserRequest.SetMemTable, MemTable(regions), descriptors);

    internal static byte[] MemTable(IReadOnlyList<VhostUserMemoryRegion> regions) =>
        [.. Bytes(new VhostUserMemoryTable { Count = (uint)regions.Count }), .. regions.SelectMany(r => Bytes(r))];

    internal int AddMemory(VhostUserMemoryRegion region, FileDescriptor descriptor) =>
        Result(VhostUserRequest.AddMemReg, Bytes(new VhostUserSingleMemoryRegion { Region = region }), descriptor);

    internal int RemoveMemory(VhostUserMemoryRegion region) =>
        Result(VhostUserRequest.RemMemReg, Bytes(new VhostUserSingleMemoryRegion { Region = region }));

    internal bool IsClosedByServer() => _connection.ReceiveTurning(context) == MessageReceive.Closed;

    public void Dispose()
    {
        _received.ForEach(f => f.Dispose());
        _connection.Dispose();
    }

    /// <summary>The payload of the next answer, which must be well formed.</summary>
    private byte[] Reply(VhostUserRequest request, int? length)
    {
        Assert.That(_connection.ReceiveTurning(context), Is.EqualTo(MessageReceive.Message), $"an answer to {request} was due");
        VhostUserHeader header = _connection.Header;
        Assert.That(header.Request, Is.EqualTo(request));
        Assert.That((uint)header.Flags, Is.EqualTo(Version1 | (uint)VhostUserFlags.Reply));
        Assert.That(_connection.Payload.Length, Is.EqualTo(length ?? _connection.Payload.Length));
        for (int i = 0; i < _connection.DescriptorCount; i++)
        {
            _received.Add(_connection.TakeDescriptor(i));
        }

        return _connection.Payload.ToArray();
    }
}
