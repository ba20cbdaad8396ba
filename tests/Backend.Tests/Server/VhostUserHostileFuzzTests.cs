using System.Runtime.InteropServices;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Tests.Server;

/// <summary>
/// Valid sessions with rings that run, bent: bits flipped, messages cut, doubled, swapped, numbers replaced by awkward ones,
/// descriptors exchanged, missing or in excess, garbage in the rings and in the notes of requests under way, the connection dropped
/// at any time. The server must answer or close, never fail, leak or hang, and serve the next front-end. Set FUZZ_SEED to repeat a run.
/// </summary>
public partial class VhostUserHostileFuzzTests : VhostUserFixture
{
    private static readonly ulong[] Awkward =
    [
        0, 1, 2, 3, 7, 8, 15, 16, 17, 32, 64, 255, 256, 257, 1024, 1025, 4095, 4096, 0xFFFF, 0x10000, 0xFFFFF, 0x100000, 0x7FFFFFFF,
        0x80000000, 0xFFFFFFFF, VhostUserTestGuest.GuestAddress, VhostUserTestGuest.UserAddress,
        VhostUserTestGuest.UserAddress + VhostUserTestGuest.Size, 1UL << 63, ulong.MaxValue - 4095, ulong.MaxValue,
    ];

    private VhostUserTestGuest _guest = null!;
    private FileDescriptor[] _fds = [];

    [SetUp]
    public void CreateDescriptors()
    {
        _guest = CreateGuest();
        _fds =
        [
            _guest.Memory, Own(MemFd.CreateSealed("notes", 8192)), _guest.Kicks[0].Descriptor, _guest.Kicks[1].Descriptor,
            _guest.Calls[0].Descriptor, Own(FileDescriptor.Open("/dev/null", OpenFlags.ReadWrite)),
        ];
    }

    private FileDescriptor Notes => _fds[1];

    [Test]
    public void Bent_sessions_do_no_harm()
    {
        int served = 0;
        HostileClient client = new(Context, SocketPath, _fds)
        {
            HeaderLength = VhostUserHeader.Length,
            MostDescriptors = 11,
            TellLength = message => MemoryMarshal.Write(message.AsSpan(8), message.Length - VhostUserHeader.Length),
            ReplaceNumber = ReplaceNumber,
            Between = random =>
            {
                if (random.Next(4) == 0)
                {
                    UseRing(random);
                }
            },
        };
        HostileClient.Repeat((random, when) =>
        {
            for (int i = 0; i < Queues; i++)
            {
                _guest.Raw(i).Clear();
            }

            client.Run(ValidSession(random), random);
            TurnUntil(() => !Server.HasClient, "the session ends");
            served += Disk.Log.Count;
            Disk.Log.Clear();
            AssertServed(when);
        });
        TestContext.Out.WriteLine($"{Server.Errors} refusals, {served} requests served");
    }

    /// <summary>What a guest may do to its memory at any time, and a kick.</summary>
    private unsafe void UseRing(Random random)
    {
        int queue = random.Next(Queues);
        SplitRing ring = _guest.Raw(queue);
        for (int i = random.Next(4); i > 0; i--)
        {
            ushort head = _guest.LayOut(random.Next(5), (ulong)random.Next(2048 + 1), 1, queue);
            ring.AvailEntry(ring.AvailIndex) = head;
            ring.AvailIndex++;
        }

        for (int i = random.Next(4) == 0 ? 4 : 0; i > 0; i--)
        {
            // The ring has RingSize descriptors.
            ring.Descriptors[random.Next(VhostUserTestGuest.RingSize)] = new Descriptor
            {
                Address = random.Next(8) == 0 ? AnyNumber(random) : VhostUserTestGuest.GuestAddress + (uint)random.Next((int)VhostUserTestGuest.Size),
                Length = random.Next(3) switch { 0 => 1, 1 => 16, _ => (uint)random.Next(2000) },
                Flags = (DescriptorFlags)random.Next(8),
                Next = (ushort)random.Next(VhostUserTestGuest.RingSize + 1),
            };
            ring.AvailEntry((ushort)random.Next(VhostUserTestGuest.RingSize)) = (ushort)random.Next(VhostUserTestGuest.RingSize + 1);
        }

        ring.AvailIndex = (ushort)(random.Next(20) == 0 ? random.Next(65536) : ring.AvailIndex);
        _guest.Kicks[queue].Signal();
    }

    /// <summary>Nothing is left of the last session, and the next one does I/O.</summary>
    private void AssertServed(string when)
    {
        Assert.That(Server.Faults, Is.Zero, when);
        Assert.That(Memory.Current.Count, Is.Zero, when);
        using VhostUserTestClient client = ConnectAndNegotiate();
        using VhostUserTestGuest guest = new();
        guest.Share(client);
        guest.SetUp(client, 0);
        guest.Start(client, 0);
        guest.Write(0, 5, 0x5A);
        WaitUsed(guest, 1);
        Assert.That(guest.StatusOf(0), Is.EqualTo(BlkStatus.Ok), when);
        client.Dispose();
        TurnUntil(() => !Server.HasClient, when);
        Disk.Log.Clear();
    }

    private static ulong AnyNumber(Random random) => Awkward[random.Next(Awkward.Length)];
}

/// <summary>The same with queues on threads of their own, so that rings stop and start under requests.</summary>
public class VhostUserHostileFuzzOnThreadsTests : VhostUserHostileFuzzTests
{
    protected override int IoThreads => Queues;
}
