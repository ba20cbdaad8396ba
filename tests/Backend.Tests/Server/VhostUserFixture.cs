using Backend.Device;
using Backend.Server;
using Backend.Tests.Device;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Tests.Server;

/// <summary>
/// A real block device behind a real server at a real socket, a front-end that speaks bytes and a guest with rings, all on the
/// test's own thread: the loop turns only while the test waits, so that every test is deterministic.
/// </summary>
public abstract class VhostUserFixture
{
    protected const int Queues = 2;
    private readonly List<IDisposable> _owned = [];
    private string _directory = string.Empty;
    private IoThread[] _threads = [];

    /// <summary>Threads that serve the queues; without any, the test's own does.</summary>
    protected virtual int IoThreads => 0;

    protected AioContext Context { get; private set; } = null!;

    protected GuestMemory Memory { get; private set; } = null!;

    protected VhostUserServer Server { get; private set; } = null!;

    protected VhostUserTransport Transport { get; private set; } = null!;

    protected VirtioBlk Device { get; private set; } = null!;

    private protected HeldDriver Disk { get; private set; } = null!;

    protected string SocketPath { get; private set; } = string.Empty;

    [SetUp]
    public void StartServer()
    {
        _directory = Directory.CreateTempSubdirectory("vhost-user-").FullName;
        SocketPath = Path.Combine(_directory, "device.sock");
        Context = new AioContext(new AioContextOptions { Name = "test", Monitor = FdMonitorKind.Epoll });
        Memory = new GuestMemory();
        Disk = new HeldDriver(1 << 20);
        _threads = [.. Enumerable.Range(0, IoThreads).Select(i => new IoThread(new AioContextOptions { Name = $"test-{i}" }))];
        Device = new VirtioBlk(new VirtioBlkConfig { QueueCount = Queues, QueueSize = 64, Serial = "test" }, Disk, Context, _threads);
        Transport = new VhostUserTransport(Memory, Context);
        Transport.Plug(Device);
        Device.AttachTransport(Transport);
        Server = new VhostUserServer(Context, Transport, SocketPath);
    }

    [TearDown]
    public void StopServer()
    {
        Assert.That(Server.Faults, Is.Zero, "unexpected errors of the server");
        _owned.ForEach(c => c.Dispose());
        _owned.Clear();
        Server.Dispose();
        Device.Dispose();
        Array.ForEach(_threads, t => t.Dispose());
        Context.Dispose();
        Memory.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>Connects; nothing is negotiated.</summary>
    private protected VhostUserTestClient Connect() => Own(new VhostUserTestClient(UnixSocket.Connect(SocketPath), Context));

    /// <summary>Connects and agrees on all that the protocol has here, and on these features.</summary>
    private protected VhostUserTestClient ConnectAndNegotiate(VirtioFeatures features = VirtioFeatures.Version1)
    {
        VhostUserTestClient client = Connect();
        client.Post(VhostUserRequest.SetProtocolFeatures, client.AskU64(VhostUserRequest.GetProtocolFeatures));
        client.Tell(VhostUserRequest.SetOwner);
        client.Tell(VhostUserRequest.SetFeatures, (ulong)(features | VirtioFeatures.VhostUserProtocolFeatures));
        return client;
    }

    /// <summary>A guest's memory and rings; nobody knows of them yet.</summary>
    private protected VhostUserTestGuest CreateGuest() => Own(new VhostUserTestGuest());

    /// <summary>A front-end and its guest, with every ring running.</summary>
    private protected (VhostUserTestClient Client, VhostUserTestGuest Guest) Start()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        VhostUserTestGuest guest = CreateGuest();
        guest.Share(client);
        for (int i = 0; i < Queues; i++)
        {
            guest.SetUp(client, i);
            guest.Start(client, i);
        }

        return (client, guest);
    }

    /// <summary>Turns the loop until the guest has so many requests back; returns their slots in order.</summary>
    private protected List<int> WaitUsed(VhostUserTestGuest guest, int count, int queue = 0)
    {
        List<int> slots = [];
        TurnUntil(
            () =>
            {
                while (guest.Ring(queue).TryTakeUsed(out ushort head, out _))
                {
                    slots.Add(head / VhostUserTestGuest.DescriptorsEach);
                }

                return slots.Count >= count;
            },
            "requests come back");
        Assert.That(slots, Has.Count.EqualTo(count));
        return slots;
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

    /// <summary>Turns the loop often enough for anything that is due.</summary>
    protected void TurnAWhile()
    {
        for (int i = 0; i < 10; i++)
        {
            Context.Poll(blocking: false);
        }
    }

    protected T Own<T>(T disposable)
        where T : IDisposable
    {
        _owned.Add(disposable);
        return disposable;
    }
}
