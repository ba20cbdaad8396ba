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
        using EventNotifier notifier = new();
        Proxy.AssignIoEventFd(0, notifier, true);
        HostileClient client = new(Context, SocketPath, _fds)
        {
            HeaderLength = 16,
            MostDescriptors = 39,
            TellLength = message => MemoryMarshal.Write(message.AsSpan(4), message.Length),
            ReplaceNumber = (message, random) =>
                MemoryMarshal.Write(message.AsSpan(random.Next(message.Length / 4) * 4), Awkward[random.Next(Awkward.Length)]),
        };
        HostileClient.Repeat((random, when) =>
        {
            client.Run(ValidSession(random), random);
            TurnUntil(() => !Server.HasClient, "the session ends");
            AssertServed(when);
        });
        TestContext.Out.WriteLine($"{Server.Statistics.Errors} errors answered or swallowed");
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
}
