using System.Runtime.InteropServices;
using System.Text;
using Backend.Device;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

/// <summary>
/// Valid sessions, bent: bits flipped, messages cut, doubled, swapped, sizes and counts replaced by awkward numbers, descriptors
/// missing or in excess, the stream split anywhere, the connection dropped at any time. The server must answer or close, never
/// fail, leak or hang, and serve the next client. Set FUZZ_SEED to repeat a run.
/// </summary>
public class VfioUserHostileFuzzTests : VfioUserFixture
{
    private const int Milliseconds = 5000;
    private static readonly uint[] Awkward =
        [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 20, 24, 32, 40, 255, 256, 4095, 4096, 0x3000, 0x3FFF, 0x4000, 0x100000, 0x100020,
         0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFFE, 0xFFFFFFFF];

    private FileDescriptor[] _fds = [];
    private EventFd _eventFd = null!;

    protected override VirtioPciOptions? Options => new() { Transitional = true, ModernPioNotify = true };

    [SetUp]
    public void CreateDescriptors()
    {
        _eventFd = new EventFd();
        _fds = [MemFd.CreateSealed("sealed", 1 << 20), _eventFd.Descriptor, OpenNull()];
    }

    [TearDown]
    public void CloseDescriptors() => Array.ForEach(_fds, f => f.Dispose());

    [Test]
    public void Bent_sessions_do_no_harm()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_SEED"), out int given) ? given : Environment.TickCount;
        TestContext.Out.WriteLine($"FUZZ_SEED={seed}");
        Random random = new(seed);
        using EventNotifier notifier = new();
        Proxy.AssignIoEventFd(0, notifier, true);
        int before = 0;
        int sessions = 0;
        long end = Environment.TickCount64 + Milliseconds;
        while (Environment.TickCount64 < end || sessions < 20)
        {
            RunSession(random);
            sessions++;
            AssertServed($"seed {seed}, session {sessions}");
            before = sessions == 5 ? OpenDescriptors() : before;
        }

        TestContext.Out.WriteLine($"{sessions} sessions, {Server.Statistics.Errors} errors answered or swallowed");

        // The runtime may open a few of its own; a leak would have cost one a session.
        Assert.That(OpenDescriptors(), Is.LessThanOrEqualTo(before + 8), $"seed {seed}: descriptors leak");
    }

    private void RunSession(Random random)
    {
        UnixSocket socket = UnixSocket.Connect(SocketPath);
        try
        {
            List<(byte[] Bytes, FileDescriptor[] Fds)> messages = ValidSession(random);
            int bends = random.Next(6);
            for (int i = 0; i < bends; i++)
            {
                Bend(messages, random);
            }

            byte[] sink = new byte[8192];
            foreach ((byte[] bytes, FileDescriptor[] fds) in messages)
            {
                if (!SendSome(socket, bytes, fds, random) || random.Next(200) == 0)
                {
                    break;
                }

                if (random.Next(4) != 0)
                {
                    Context.Poll(blocking: false);
                }

                if (random.Next(3) != 0)
                {
                    Drain(socket, sink);
                }
            }
        }
        finally
        {
            socket.Dispose();
        }

        TurnUntil(() => !Server.HasClient, "the session ends");
    }

    /// <summary>Sends a message in one to three parts; false when the server has closed or does not listen.</summary>
    private bool SendSome(UnixSocket socket, byte[] bytes, FileDescriptor[] fds, Random random)
    {
        int at = 0;
        while (at < bytes.Length)
        {
            int length = random.Next(3) == 0 ? random.Next(1, bytes.Length - at + 1) : bytes.Length - at;
            int n = socket.Send(bytes.AsSpan(at, length), at == 0 || random.Next(10) == 0 ? fds : []);
            if (n < 0)
            {
                return false;
            }

            at += n;
            if (at < bytes.Length)
            {
                Context.Poll(blocking: false);
            }
        }

        return true;
    }

    private static void Drain(UnixSocket socket, byte[] sink)
    {
        List<FileDescriptor> received = [];
        while (socket.Receive(sink, received, out _) > 0)
        {
        }

        received.ForEach(f => f.Dispose());
    }

    private List<(byte[] Bytes, FileDescriptor[] Fds)> ValidSession(Random random)
    {
        List<(byte[], FileDescriptor[])> messages = [];
        Add(VfioUserCommand.Version, [0, 0, 0, 0, .. Encoding.UTF8.GetBytes(TestClient.ClientJson() + "\0")]);
        int count = random.Next(5, 60);
        for (int i = 0; i < count; i++)
        {
            AddRandom();
        }

        return messages;

        void Add(VfioUserCommand command, byte[] payload, params FileDescriptor[] fds) =>
            messages.Add((TestClient.Message((ushort)random.Next(65536), (ushort)command, PostedOrNot(), payload), fds));

        uint PostedOrNot() => messages.Count > 0 && random.Next(4) == 0 ? 0x10u : 0;

        void AddRandom()
        {
            switch (random.Next(9))
            {
                case 0:
                    ulong at = (ulong)random.Next(8) * 0x10000;
                    Add(
                        VfioUserCommand.DmaMap,
                        Bytes(new VfioUserDmaMap { ArgSize = 32, Flags = (VfioUserDmaMapFlags)3, Address = at, Size = 0x10000 }),
                        random.Next(2) == 0 ? [] : [_fds[0]]);
                    break;
                case 1:
                    Add(
                        VfioUserCommand.DmaUnmap,
                        Bytes(new VfioUserDmaUnmap { ArgSize = 24, Address = (ulong)random.Next(8) * 0x10000, Size = 0x10000 }));
                    break;
                case 2:
                    Add(VfioUserCommand.GetRegionInfo, Bytes(new VfioRegionInfo { ArgSize = 32, Index = (uint)random.Next(9) }));
                    break;
                case 3:
                    Add(
                        VfioUserCommand.GetRegionIoFds,
                        Bytes(new VfioUserRegionIoFds { ArgSize = 4096, Index = (uint)random.Next(9) }));
                    break;
                case 4:
                    AddSetIrqs();
                    break;
                case 5:
                    Add(VfioUserCommand.Reset, []);
                    break;
                case 6:
                    (uint region, ulong offset, int width) = AnyRegister();
                    Add(
                        VfioUserCommand.RegionRead,
                        Bytes(new VfioUserRegionAccess { Region = region, Offset = offset, Count = (uint)width }));
                    break;
                default:
                    (region, offset, width) = AnyRegister();
                    byte[] data = new byte[width];
                    random.NextBytes(data);
                    data[0] &= (byte)(random.Next(2) == 0 ? 0x0F : 0xFF);
                    Add(VfioUserCommand.RegionWrite, TestClient.WritePayload(region, offset, data));
                    break;
            }
        }

        void AddSetIrqs()
        {
            uint index = (uint)random.Next(5);
            uint data = 1u << random.Next(3);
            uint action = 8u << random.Next(3);
            uint count = data == 1 && random.Next(4) == 0 ? 0 : 1u + (uint)random.Next(index == 2 ? 3 : 1);
            byte[] payload = Bytes(new VfioIrqSet { ArgSize = 20, Flags = (VfioIrqSetFlags)(data | action), Index = index, Count = count });
            Add(
                VfioUserCommand.SetIrqs,
                data == 2 ? [.. payload, .. new byte[count]] : payload,
                data == 4 ? [.. Enumerable.Repeat(_fds[1], (int)count)] : []);
        }

        (uint Region, ulong Offset, int Width) AnyRegister()
        {
            int width = 1 << random.Next(4);
            (uint region, int size) = random.Next(5) switch
            {
                0 => (0u, 64),
                1 => (1u, 0x1000),
                2 => (2u, 4),
                3 => (7u, 256),
                _ => (4u, random.Next(2) == 0 ? 64 : 0x4000),
            };
            return (region, (ulong)(random.Next(size) & -width), width);
        }
    }

    private void Bend(List<(byte[] Bytes, FileDescriptor[] Fds)> messages, Random random)
    {
        // Mostly after VERSION, so that most sessions get somewhere.
        int i = random.Next(8) == 0 ? 0 : random.Next(messages.Count);
        (byte[] bytes, FileDescriptor[] fds) = messages[i];
        byte[] bent = [.. bytes];
        if (bent.Length < 16)
        {
            return;
        }

        switch (random.Next(9))
        {
            case 0:
                bent[random.Next(bent.Length)] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                int word = random.Next(bent.Length / 4) * 4;
                MemoryMarshal.Write(bent.AsSpan(word), Awkward[random.Next(Awkward.Length)]);
                break;
            case 2:
                bent = bent[..random.Next(1, bent.Length + 1)];
                break;
            case 3:
                // Cut, but with a header that agrees.
                bent = bent[..random.Next(16, bent.Length + 1)];
                MemoryMarshal.Write(bent.AsSpan(4), bent.Length);
                break;
            case 4:
                bent = [.. bent, .. new byte[random.Next(1, 3000)]];
                MemoryMarshal.Write(bent.AsSpan(4), bent.Length);
                break;
            case 5:
                random.NextBytes(bent.AsSpan(16));
                break;
            case 6:
                fds = [.. Enumerable.Range(0, random.Next(40)).Select(_ => _fds[random.Next(_fds.Length)])];
                break;
            case 7:
                messages.Insert(random.Next(messages.Count + 1), messages[i]);
                return;
            default:
                int j = random.Next(messages.Count);
                (messages[i], messages[j]) = (messages[j], messages[i]);
                return;
        }

        messages[i] = (bent, fds);
    }

    private void AssertServed(string when)
    {
        Assert.That(Server.Statistics.Faults, Is.Zero, when);
        Assert.That(Memory.Current.Count, Is.Zero, when);
        using TestClient client = new(UnixSocket.Connect(SocketPath), Context);
        Assert.That(client.Version(TestClient.ClientJson()).Error, Is.Zero, when);
        Assert.That(client.RegionInfo(4).As<VfioRegionInfo>().Size, Is.EqualTo(0x4000), when);
        Assert.That(client.Read(Modern, 20, 1).Payload[16], Is.Zero, when);
        client.Dispose();
        TurnUntil(() => !Server.HasClient, when);
    }

    private static FileDescriptor OpenNull() => FileDescriptor.Open("/dev/null", OpenFlags.ReadWrite);

    private static int OpenDescriptors() => Directory.GetFiles("/proc/self/fd").Length;
}
