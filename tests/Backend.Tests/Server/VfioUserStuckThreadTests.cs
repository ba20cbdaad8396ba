using Backend.Device;
using Backend.Server;
using Backend.Tests.Device;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;
using RingCore.Virtio;

namespace Backend.Tests.Server;

/// <summary>
/// A client whose eventfds block holds up neither a reset, nor a change of memory, nor the end of its session. A real device; its
/// registers are set by hand, all else comes by messages. The test's thread is the server's.
/// </summary>
[TestFixture(0)]
[TestFixture(1)]
public sealed class VfioUserStuckThreadTests(int ioThreads)
{
    private const ulong MemorySize = 1 << 20;
    private const uint TriggerFds = 0x24;
    private readonly AioContext _context = new(new AioContextOptions { Name = "test", Monitor = FdMonitorKind.Epoll });
    private readonly GuestMemory _memory = new();
    private readonly FileDescriptor _ram = MemFd.CreateSealed("ram", (long)MemorySize);
    private readonly EventFd _irq = new();
    private string _directory = string.Empty;
    private IoThread[] _threads = [];
    private VirtioBlk _device = null!;
    private VirtioPciProxy _proxy = null!;
    private VfioUserServer _server = null!;
    private TestClient _client = null!;

    [OneTimeTearDown]
    public void CloseAll()
    {
        _context.Dispose();
        _memory.Dispose();
        _ram.Dispose();
        _irq.Dispose();
    }

    [SetUp]
    public void StartDevice()
    {
        _directory = Directory.CreateTempSubdirectory("vfio-user-").FullName;
        _threads = [.. Enumerable.Range(0, ioThreads).Select(i => new IoThread(new AioContextOptions { Name = $"test-{i}" }))];
        _device = new VirtioBlk(new VirtioBlkConfig { QueueSize = 64 }, new HeldDriver(1 << 20), _context, _threads);
        _proxy = new VirtioPciProxy(_memory);
        _proxy.Plug(_device);
        _device.AttachTransport(_proxy);
        _server = new VfioUserServer(_context, _proxy, Path.Combine(_directory, "device.sock"));
        _client = new TestClient(UnixSocket.Connect(_server.Path), _context);
        _client.Version(TestClient.ClientJson());
        Assert.That(_client.Map(0, MemorySize, _ram).Error, Is.Zero);
        Assert.That(_client.SetIrqs(TriggerFds, VfioPciIrq.Msix, 0, 1, [_irq.Descriptor]).Error, Is.Zero);
        VirtQueue queue = _device.Queues[0];
        queue.AvailableRing = 0x1000;
        queue.UsedRing = 0x2000;
        queue.Vector = 0;
        queue.Enabled = true;
        byte status = DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk;
        _device.WriteStatus(status, (ulong)VirtioFeatures.Version1);
        _device.WriteStatus((byte)(status | DeviceStatus.DriverOk), (ulong)VirtioFeatures.Version1);
        Assert.That(_device.DataPlane.Running, Has.Count.EqualTo(1));
    }

    [TearDown]
    public void StopDevice()
    {
        _client.Dispose();
        _server.Dispose();
        _device.Dispose();
        Array.ForEach(_threads, t => t.Dispose());
        Directory.Delete(_directory, recursive: true);
    }

    [Test]
    public void The_client_can_leave()
    {
        using FullEventFd full = new(_irq);
        RaiseIrq();
        _client.Dispose();
        long deadline = Environment.TickCount64 + 60_000;
        while (_server.HasClient)
        {
            Assert.That(Environment.TickCount64, Is.LessThan(deadline), "the server notices");
            _context.Poll(blocking: false);
        }

        Assert.That(full.HasRescued, Is.False);
        Assert.That(_device.Status, Is.Zero);
        Assert.That(_memory.Current.Count, Is.Zero);
    }

    [Test]
    public void The_device_can_be_reset()
    {
        using FullEventFd full = new(_irq);
        RaiseIrq();
        Assert.That(_client.Ask(VfioUserCommand.Reset, []).Error, Is.Zero);
        Assert.That(full.HasRescued, Is.False);
        Assert.That(_device.Status, Is.Zero);
    }

    [Test]
    public void Memory_can_be_unmapped_and_the_edge_stays()
    {
        using FullEventFd full = new(_irq);
        RaiseIrq();
        Assert.That(_client.Unmap(0, MemorySize).Error, Is.Zero);
        Assert.That(full.HasRescued, Is.False);
        Assert.That(_irq.TestAndClear(), Is.True);
    }

    [Test]
    public void The_eventfd_can_be_replaced()
    {
        using FullEventFd full = new(_irq);
        RaiseIrq();
        using EventFd other = new();
        Assert.That(_client.SetIrqs(TriggerFds, VfioPciIrq.Msix, 0, 1, [other.Descriptor]).Error, Is.Zero);
        Assert.That(full.HasRescued, Is.False);
        Assert.That(other.TestAndClear(), Is.True, "the edge moves on");
    }

    [Test]
    public void The_client_can_have_it_triggered()
    {
        using FullEventFd full = new(_irq);
        Assert.That(_client.SetIrqs(0x21, VfioPciIrq.Msix, 0, 1).Error, Is.Zero);
        Assert.That(full.HasRescued, Is.False);
    }

    /// <summary>As a completion does, on the thread that serves the queue; that hangs, if it is one of its own.</summary>
    private void RaiseIrq()
    {
        if (_threads.Length == 0)
        {
            _proxy.NotifyQueue(0);
        }
        else
        {
            _threads[0].Context.ScheduleOneShot(() => _proxy.NotifyQueue(0));
        }
    }
}
