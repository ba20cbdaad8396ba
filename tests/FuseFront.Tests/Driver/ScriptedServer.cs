using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FuseFront.Driver;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VfioUser;

namespace FuseFront.Tests.Driver;

/// <summary>
/// A vfio-user server of a PCI device that is a few bytes of registers, on a thread of its own: answers as one should, but where a
/// test has it say something else. One client.
/// </summary>
internal sealed class ScriptedServer : IDisposable
{
    public const int Bar = VfioPciRegion.Bar4;
    public const int BarSize = 0x1000;
    private const int Patience = 30_000;
    private readonly string _folder = Directory.CreateTempSubdirectory("vfio-user-").FullName;
    private readonly UnixListener _listener;
    private readonly Thread _thread;
    private readonly Dictionary<int, byte[]> _regions = new() { [VfioPciRegion.Config] = new byte[256], [Bar] = new byte[BarSize] };
    private volatile bool _ends;
    private int _lastCapability;

    public ScriptedServer()
    {
        _listener = UnixListener.Bind(Socket);
        _thread = new Thread(Serve) { Name = "scripted server" };
        _thread.Start();
    }

    public string Socket => Path.Combine(_folder, "s.sock");

    public int MaxMsgFds { get; set; } = 16;

    /// <summary>Does a request in the place of the usual answer, on the server's thread.</summary>
    public Dictionary<VfioUserCommand, Action<VfioUserConnection>> Instead { get; } = [];

    /// <summary>Configuration space: 256 bytes.</summary>
    public Span<byte> Config => _regions[VfioPciRegion.Config];

    public Span<byte> Registers => _regions[Bar];

    /// <summary>Makes it a virtio block device (virtio 1.3 §4.1.2) with no capability yet.</summary>
    public void BecomeBlockDevice()
    {
        const int HasCapabilities = 0x10;
        const int CapabilityPointer = 0x34;
        BinaryPrimitives.WriteUInt32LittleEndian(Config, 0x1042_1AF4);
        Config[6] = HasCapabilities;
        _lastCapability = CapabilityPointer - 1;
    }

    /// <summary>Puts a capability at <paramref name="at"/>, and at the end of the list. Its first two bytes are set here.</summary>
    public void AddCapability(int at, byte id, params ReadOnlySpan<byte> rest)
    {
        Config[_lastCapability + 1] = (byte)at;
        Config[at] = id;
        Config[at + 1] = 0;
        rest.CopyTo(Config[(at + 2)..]);
        _lastCapability = at;
    }

    /// <summary>struct virtio_pci_cap, or the first four words of it (§4.1.4).</summary>
    public void AddBlock(int at, byte type, byte bar, uint offset, uint length, uint? multiplier = null)
    {
        byte[] rest = new byte[multiplier is null ? 14 : 18];
        rest[0] = (byte)(rest.Length + 2);
        rest[1] = type;
        rest[2] = bar;
        BinaryPrimitives.WriteUInt32LittleEndian(rest.AsSpan(6), offset);
        BinaryPrimitives.WriteUInt32LittleEndian(rest.AsSpan(10), length);
        if (multiplier is { } value)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(rest.AsSpan(14), value);
        }

        AddCapability(at, 0x09, rest);
    }

    public VfioUserClient Connect(int timeoutMs = Patience) => VfioUserClient.Connect(Socket, TimeSpan.Zero, timeoutMs);

    public void Dispose()
    {
        _ends = true;
        _thread.Join();
        _listener.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Answers the message in hand.</summary>
    public static void Answer(VfioUserConnection connection, ReadOnlySpan<byte> payload, params ReadOnlySpan<FileDescriptor> fds)
    {
        VfioUserHeader header = new() { Id = connection.Header.Id, Command = connection.Header.Command, Flags = VfioUserFlags.Reply };
        payload.CopyTo(connection.Begin(header, payload.Length));
        connection.SendWithin(Patience, fds);
    }

    public static byte[] Bytes<T>(T value)
        where T : unmanaged
    {
        byte[] bytes = new byte[Unsafe.SizeOf<T>()];
        MemoryMarshal.Write(bytes, value);
        return bytes;
    }

    private void Serve()
    {
        while (!_ends)
        {
            if (_listener.Descriptor.WaitReadable(TimeSpan.FromMilliseconds(20)) && _listener.Accept() is { } socket)
            {
                using VfioUserConnection connection = new(socket);
                while (!_ends && TryServe(connection))
                {
                }

                return;
            }
        }
    }

    private bool TryServe(VfioUserConnection connection)
    {
        switch (connection.Receive(timeoutMs: 20))
        {
            case MessageReceive.WouldBlock:
                return true;
            case MessageReceive.Message:
                break;
            default:
                return false;
        }

        VfioUserCommand command = connection.Header.Command;
        if (Instead.TryGetValue(command, out Action<VfioUserConnection>? answer))
        {
            answer(connection);
            return true;
        }

        switch (command)
        {
            case VfioUserCommand.Version:
                Answer(connection, [0, 0, 0, 0, .. new VfioUserCapabilities { MaxMsgFds = MaxMsgFds }.ToJson()]);
                break;
            case VfioUserCommand.GetInfo:
                Answer(connection, Bytes(new VfioDeviceInfo { ArgSize = 16, Flags = VfioDeviceFlags.Pci, RegionCount = 9, IrqCount = 5 }));
                break;
            case VfioUserCommand.GetRegionInfo:
                VfioRegionInfo info = MemoryMarshal.Read<VfioRegionInfo>(connection.Payload);
                info.Size = _regions.TryGetValue((int)info.Index, out byte[]? region) ? (ulong)region.Length : 0;
                Answer(connection, Bytes(info));
                break;
            case VfioUserCommand.RegionRead or VfioUserCommand.RegionWrite:
                AnswerAccess(connection);
                break;
            default:
                Answer(connection, connection.Payload);
                break;
        }

        return true;
    }

    private void AnswerAccess(VfioUserConnection connection)
    {
        VfioUserRegionAccess access = MemoryMarshal.Read<VfioUserRegionAccess>(connection.Payload);
        Span<byte> registers = _regions[(int)access.Region].AsSpan((int)access.Offset, (int)access.Count);
        if (connection.Header.Command == VfioUserCommand.RegionRead)
        {
            Answer(connection, [.. Bytes(access), .. registers]);
            return;
        }

        connection.Payload[Unsafe.SizeOf<VfioUserRegionAccess>()..].CopyTo(registers);
        if (!connection.Header.WantsNoReply)
        {
            Answer(connection, Bytes(access));
        }
    }
}
