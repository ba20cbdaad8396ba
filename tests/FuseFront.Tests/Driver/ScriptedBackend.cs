using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>
/// A vhost-user back end without a device: answers as one should, on a thread of its own, but where a test has it say something
/// else. Serves one front end after another.
/// </summary>
internal sealed class ScriptedBackend : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vhost-user-").FullName;
    private readonly UnixListener _listener;
    private readonly Thread _thread;
    private volatile bool _ends;

    public ScriptedBackend()
    {
        _listener = UnixListener.Bind(Socket);
        _thread = new Thread(Serve) { Name = "scripted back end" };
        _thread.Start();
    }

    public string Socket => Path.Combine(_folder, "s.sock");

    public VirtioFeatures Features { get; set; } =
        VirtioFeatures.Version1 | VirtioFeatures.BlkFlush | VirtioFeatures.BlkMultiQueue | VirtioFeatures.VhostUserProtocolFeatures;

    public VhostUserProtocolFeatures ProtocolFeatures { get; set; } =
        VhostUserProtocolFeatures.Config | VhostUserProtocolFeatures.ReplyAck | VhostUserProtocolFeatures.MultiQueue;

    public BlkConfig Config { get; set; } = new() { Capacity = 2048, QueueCount = 2, BlockSize = 512 };

    /// <summary>Does a request in the place of the usual answer.</summary>
    public Dictionary<VhostUserRequest, Action<VhostUserConnection>> Instead { get; } = [];

    /// <summary>Requests of all sessions, with <see langword="null"/> where a session ended.</summary>
    public List<VhostUserRequest?> Heard { get; } = [];

    public void Dispose()
    {
        _ends = true;
        _thread.Join();
        _listener.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Answers the message in hand with a payload.</summary>
    public static void Answer<T>(VhostUserConnection connection, VhostUserRequest request, T payload, VhostUserFlags flags = VhostUserFlags.Reply)
        where T : unmanaged
    {
        Span<byte> message = connection.Begin(request, flags, Unsafe.SizeOf<T>());
        MemoryMarshal.Write(message, payload);
        connection.Send();
    }

    private void Serve()
    {
        while (!_ends)
        {
            if (_listener.Descriptor.WaitReadable(TimeSpan.FromMilliseconds(20)) && _listener.Accept() is { } socket)
            {
                using VhostUserConnection connection = new(socket);
                while (!_ends && TryServe(connection))
                {
                }

                lock (Heard)
                {
                    Heard.Add(null);
                }
            }
        }
    }

    private bool TryServe(VhostUserConnection connection)
    {
        switch (connection.Receive(timeoutMs: 20))
        {
            case MessageReceive.WouldBlock:
                return true;
            case MessageReceive.Message:
                VhostUserRequest request = connection.Header.Request;
                lock (Heard)
                {
                    Heard.Add(request);
                }

                return TryAnswer(connection, request);
            default:
                return false;
        }
    }

    /// <summary>False, and the session ends, after what a test has thrown in the place of an answer.</summary>
    private bool TryAnswer(VhostUserConnection connection, VhostUserRequest request)
    {
        if (Instead.TryGetValue(request, out Action<VhostUserConnection>? answer))
        {
            try
            {
                answer(connection);
                return true;
            }
            catch (EndOfStreamException)
            {
                return false;
            }
        }

        switch (request)
        {
            case VhostUserRequest.GetFeatures:
                Answer(connection, request, (ulong)Features);
                break;
            case VhostUserRequest.GetProtocolFeatures:
                Answer(connection, request, (ulong)ProtocolFeatures);
                break;
            case VhostUserRequest.GetQueueNum:
                Answer(connection, request, 2UL);
                break;
            case VhostUserRequest.GetConfig:
                AnswerConfig(connection);
                break;
            default:
                if (connection.Header.NeedsReply)
                {
                    Answer(connection, request, 0UL);
                }

                break;
        }

        return true;
    }

    private void AnswerConfig(VhostUserConnection connection)
    {
        VhostUserConfig asked = MemoryMarshal.Read<VhostUserConfig>(connection.Payload);
        BlkConfig config = Config;
        Span<byte> message = connection.Begin(VhostUserRequest.GetConfig, VhostUserFlags.Reply, Unsafe.SizeOf<VhostUserConfig>() + (int)asked.Size);
        MemoryMarshal.Write(message, asked);
        MemoryMarshal.AsBytes(new ReadOnlySpan<BlkConfig>(in config))[..(int)asked.Size].CopyTo(message[Unsafe.SizeOf<VhostUserConfig>()..]);
        connection.Send();
    }
}
