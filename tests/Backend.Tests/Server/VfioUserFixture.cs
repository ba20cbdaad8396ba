using System.Runtime.InteropServices;
using System.Text;
using Backend.Device;
using Backend.Server;
using Backend.Tests.Device;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Framing;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

/// <summary>
/// A real server at a real socket and a client that speaks bytes, both on the test's own thread: the loop turns only while the
/// client waits, so that every test is deterministic.
/// </summary>
public abstract class VfioUserFixture
{
    protected const int Modern = VfioPciRegion.Bar4;
    protected const uint TriggerFds = 0x24;
    protected const uint TriggerNone = 0x21;
    private readonly List<TestClient> _clients = [];
    private string _directory = string.Empty;

    protected AioContext Context { get; private set; } = null!;

    protected GuestMemory Memory { get; private set; } = null!;

    protected VirtioPciProxy Proxy { get; private set; } = null!;

    protected VfioUserServer Server { get; private set; } = null!;

    private protected PciFakeDevice Device { get; private set; } = null!;

    protected string SocketPath { get; private set; } = string.Empty;

    [SetUp]
    public void StartServer()
    {
        _directory = Directory.CreateTempSubdirectory("vfio-user-").FullName;
        SocketPath = Path.Combine(_directory, "device.sock");
        Context = new AioContext(new AioContextOptions { Name = "test", Monitor = Monitor });
        Memory = new GuestMemory();
        Device = new PciFakeDevice();
        Proxy = new VirtioPciProxy(Memory, Options);
        Proxy.Plug(Device);
        Server = new VfioUserServer(Context, Proxy, SocketPath);
    }

    [TearDown]
    public void StopServer()
    {
        _clients.ForEach(c => c.Dispose());
        _clients.Clear();
        Server.Dispose();
        Context.Dispose();
        Memory.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    protected virtual VirtioPciOptions? Options => null;

    protected virtual FdMonitorKind Monitor => FdMonitorKind.Epoll;

    /// <summary>Connects; nothing is negotiated.</summary>
    private protected TestClient Connect()
    {
        TestClient client = new(UnixSocket.Connect(SocketPath), Context);
        _clients.Add(client);
        return client;
    }

    /// <summary>Connects and negotiates as QEMU does.</summary>
    private protected TestClient ConnectAndNegotiate(int maxMsgFds = 16)
    {
        TestClient client = Connect();
        Assert.That(client.Version(TestClient.ClientJson(maxMsgFds)).Error, Is.Zero);
        return client;
    }

    /// <summary>Turns the loop until something holds; far more patient than any machine needs.</summary>
    protected void TurnUntil(Func<bool> condition, string what)
    {
        long deadline = Environment.TickCount64 + 30_000;
        while (!condition())
        {
            Assert.That(Environment.TickCount64, Is.LessThan(deadline), what);
            Context.Poll(blocking: false);
        }
    }

    protected static byte[] Bytes<T>(T value)
        where T : unmanaged
    {
        byte[] bytes = new byte[Marshal.SizeOf<T>()];
        MemoryMarshal.Write(bytes, value);
        return bytes;
    }
}

/// <summary>An answer: its header's error, its payload, its descriptors.</summary>
internal sealed record Answer(VfioUserHeader Header, byte[] Payload, List<FileDescriptor> Descriptors)
{
    internal int Error => (int)Header.Error;

    internal T As<T>()
        where T : unmanaged => MemoryMarshal.Read<T>(Payload);
}

/// <summary>A vfio-user client made of bytes, which turns the server's loop while it waits.</summary>
internal sealed class TestClient(UnixSocket socket, AioContext context) : IDisposable
{
    private readonly VfioUserConnection _connection = new(socket);
    private readonly List<FileDescriptor> _received = [];
    private ushort _id = 100;

    internal UnixSocket Socket => socket;

    internal static string ClientJson(int maxMsgFds = 16) =>
        $"{{ \"capabilities\": {{ \"pgsizes\": 4096, \"max_msg_fds\": {maxMsgFds}, \"max_dma_maps\": 65535, "
        + "\"max_data_xfer_size\": 1048576, \"write_multiple\": true } }";

    internal static byte[] Message(ushort id, ushort command, uint flags, ReadOnlySpan<byte> payload, uint? size = null)
    {
        byte[] message = new byte[16 + payload.Length];
        MemoryMarshal.Write(message, id);
        MemoryMarshal.Write(message.AsSpan(2), command);
        MemoryMarshal.Write(message.AsSpan(4), size ?? (uint)message.Length);
        MemoryMarshal.Write(message.AsSpan(8), flags);
        payload.CopyTo(message.AsSpan(16));
        return message;
    }

    internal void SendRaw(ReadOnlySpan<byte> bytes, params FileDescriptor[] descriptors) =>
        Assert.That(socket.Send(bytes, descriptors), Is.EqualTo(bytes.Length));

    internal void Post(VfioUserCommand command, byte[] payload, params FileDescriptor[] descriptors) =>
        SendRaw(Message(_id++, (ushort)command, (uint)VfioUserFlags.NoReply, payload), descriptors);

    /// <summary>Sends a request and returns its answer, which must be well formed.</summary>
    internal Answer Ask(VfioUserCommand command, byte[] payload, params FileDescriptor[] descriptors)
    {
        ushort id = _id++;
        SendRaw(Message(id, (ushort)command, 0, payload), descriptors);
        Answer answer = Answer();
        Assert.That(answer.Header.Id, Is.EqualTo(id));
        Assert.That(answer.Header.Command, Is.EqualTo(command));
        return answer;
    }

    /// <summary>The next answer, which must be well formed.</summary>
    internal Answer Answer()
    {
        MessageReceive result = _connection.ReceiveTurning(context);
        Assert.That(result, Is.EqualTo(MessageReceive.Message), "an answer was due");
        VfioUserHeader header = _connection.Header;
        bool error = (header.Flags & VfioUserFlags.Error) != 0;
        Assert.That((uint)header.Flags, Is.EqualTo(error ? 0x21u : 1u));
        Assert.That(header.Error != 0, Is.EqualTo(error));
        Assert.That(header.Size, error ? Is.EqualTo(16) : Is.GreaterThanOrEqualTo(16));
        List<FileDescriptor> descriptors = [];
        for (int i = 0; i < _connection.DescriptorCount; i++)
        {
            descriptors.Add(_connection.TakeDescriptor(i));
        }

        _received.AddRange(descriptors);
        return new Answer(header, _connection.Payload.ToArray(), descriptors);
    }

    internal bool IsClosedByServer() => _connection.ReceiveTurning(context) == MessageReceive.Closed;

    /// <summary>Turns the loop a few times and tells that nothing was answered.</summary>
    internal bool HearsNothing()
    {
        for (int i = 0; i < 5; i++)
        {
            context.Poll(blocking: false);
        }

        return _connection.Receive() == MessageReceive.WouldBlock;
    }

    internal Answer Version(string? json, ushort major = 0, ushort minor = 0)
    {
        byte[] text = json is null ? [] : Encoding.UTF8.GetBytes(json + "\0");
        byte[] payload = new byte[4 + text.Length];
        MemoryMarshal.Write(payload, major);
        MemoryMarshal.Write(payload.AsSpan(2), minor);
        text.CopyTo(payload, 4);
        return Ask(VfioUserCommand.Version, payload);
    }

    internal Answer Map(ulong address, ulong size, FileDescriptor? fd, ulong offset = 0, uint flags = 3, uint argSize = 32) =>
        Ask(
            VfioUserCommand.DmaMap,
            Bytes(new VfioUserDmaMap
            {
                ArgSize = argSize, Flags = (VfioUserDmaMapFlags)flags, Offset = offset, Address = address, Size = size,
            }),
            fd is null ? [] : [fd]);

    internal Answer Unmap(ulong address, ulong size, uint flags = 0, uint argSize = 24) =>
        Ask(
            VfioUserCommand.DmaUnmap,
            Bytes(new VfioUserDmaUnmap
            {
                ArgSize = argSize, Flags = (VfioUserDmaUnmapFlags)flags, Address = address, Size = size,
            }));

    internal Answer RegionInfo(uint index, uint argSize = 32) =>
        Ask(VfioUserCommand.GetRegionInfo, Bytes(new VfioRegionInfo { ArgSize = argSize, Index = index }));

    internal Answer IrqInfo(uint index, uint argSize = 16) =>
        Ask(VfioUserCommand.GetIrqInfo, Bytes(new VfioIrqInfo { ArgSize = argSize, Index = index }));

    internal Answer IoFds(uint index, uint argSize = 4096, uint flags = 0, uint count = 0) =>
        Ask(
            VfioUserCommand.GetRegionIoFds,
            Bytes(new VfioUserRegionIoFds { ArgSize = argSize, Flags = flags, Index = index, Count = count }));

    internal Answer SetIrqs(
        uint flags, uint index, uint start, uint count, FileDescriptor[]? fds = null, byte[]? data = null, uint? argSize = null)
    {
        byte[] payload =
        [
            .. Bytes(new VfioIrqSet
            {
                ArgSize = argSize ?? 20 + (uint)(data?.Length ?? 0),
                Flags = (VfioIrqSetFlags)flags,
                Index = index,
                Start = start,
                Count = count,
            }),
            .. data ?? [],
        ];
        return Ask(VfioUserCommand.SetIrqs, payload, fds ?? []);
    }

    internal Answer Read(uint region, ulong offset, uint count) =>
        Ask(VfioUserCommand.RegionRead, Bytes(new VfioUserRegionAccess { Offset = offset, Region = region, Count = count }));

    internal Answer Write(uint region, ulong offset, params byte[] data) =>
        Ask(VfioUserCommand.RegionWrite, WritePayload(region, offset, data));

    internal void PostWrite(uint region, ulong offset, params byte[] data) =>
        Post(VfioUserCommand.RegionWrite, WritePayload(region, offset, data));

    internal static byte[] WritePayload(uint region, ulong offset, byte[] data, uint? count = null) =>
        [.. Bytes(new VfioUserRegionAccess { Offset = offset, Region = region, Count = count ?? (uint)data.Length }), .. data];

    public void Dispose()
    {
        _received.ForEach(f => f.Dispose());
        _connection.Dispose();
    }

    private static byte[] Bytes<T>(T value)
        where T : unmanaged => VhostUserTestClient.Bytes(value);
}
