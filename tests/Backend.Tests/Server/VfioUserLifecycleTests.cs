using Backend.Device;
using Backend.Server;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

public class VfioUserLifecycleTests : VfioUserFixture
{
    [Test]
    public void When_a_client_leaves_its_memory_and_eventfds_go_and_the_device_is_reset()
    {
        TestClient client = ConnectAndNegotiate();
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket witness = b;
        using FileDescriptor ram = MemFd.CreateSealed("ram", 1 << 20);
        using EventFd irq = new();
        using EventFd eoi = new();
        client.Map(0, 1 << 20, ram);
        client.SetIrqs(TriggerFds, 2, 0, 1, [irq.Descriptor]);
        client.SetIrqs(0x14, 0, 0, 1, [eoi.Descriptor]);
        client.PostWrite(Modern, 20, 15);
        client.Write(7, 4, 6);
        int descriptors = OpenDescriptors();
        int disconnected = 0;
        Server.ClientDisconnected += () => disconnected++;
        client.Dispose();
        TurnUntil(() => !Server.HasClient, "the server notices");
        Assert.That(disconnected, Is.EqualTo(1));
        Assert.That(Device.Status, Is.Zero);
        Assert.That(Memory.Current.Count, Is.Zero);
        Assert.That(Device.Synchronizations, Is.Positive);
        Assert.That(OpenDescriptors(), Is.LessThanOrEqualTo(descriptors - 4), "socket pair, irq and eoi");
        a.Dispose();

        TestClient next = ConnectAndNegotiate();
        Assert.That(next.Read(7, 4, 2).Payload[16..], Is.EqualTo(new byte[] { 0, 0 }));
        Assert.That(next.SetIrqs(TriggerNone, 2, 0, 1).Error, Is.Zero);
        Assert.That(irq.TestAndClear(), Is.False);
    }

    [Test]
    public void A_second_client_waits_until_the_first_has_left()
    {
        TestClient first = ConnectAndNegotiate();
        TestClient second = Connect();
        second.SendRaw(TestClient.Message(1, (ushort)VfioUserCommand.Version, 0, [0, 0, 0, 0]));
        Assert.That(second.HearsNothing(), Is.True);
        Assert.That(first.RegionInfo(0).Error, Is.Zero);
        first.Dispose();
        Assert.That(second.Answer().Error, Is.Zero);
        Assert.That(Server.Statistics.Clients, Is.EqualTo(2));
    }

    [Test]
    public void A_client_that_leaves_in_the_middle_of_a_message_is_no_trouble()
    {
        TestClient client = ConnectAndNegotiate();
        client.SendRaw(TestClient.Message(1, 10, 0, new byte[40]).AsSpan(0, 30));
        client.Dispose();
        TurnUntil(() => !Server.HasClient, "the server notices");
        ConnectAndNegotiate();
    }

    [Test]
    public void A_client_that_leaves_without_reading_its_answers_is_no_trouble()
    {
        TestClient client = ConnectAndNegotiate();
        for (int i = 0; i < 50; i++)
        {
            client.SendRaw(TestClient.Message(1, 9, 0, Bytes(new VfioUserRegionAccess { Region = 7, Count = 256 })));
        }

        client.Dispose();
        TurnUntil(() => Server.Statistics.Clients == 1 && !Server.HasClient, "the server notices");
        ConnectAndNegotiate();
    }

    [Test]
    public void Many_clients_leave_no_descriptor_behind()
    {
        ConnectAndNegotiate().Dispose();
        TurnUntil(() => !Server.HasClient, "the first has left");
        int before = OpenDescriptors();
        using FileDescriptor ram = MemFd.CreateSealed("ram", 1 << 20);
        using EventFd irq = new();
        for (int i = 0; i < 30; i++)
        {
            TestClient client = ConnectAndNegotiate();
            client.Map(0, 1 << 20, ram);
            client.SetIrqs(TriggerFds, 2, 0, 1, [irq.Descriptor]);
            client.SetIrqs(TriggerFds, 0, 0, 1, [irq.Descriptor]);
            client.Dispose();
            TurnUntil(() => !Server.HasClient, "it has left");
        }

        Assert.That(OpenDescriptors(), Is.EqualTo(before + 2));
    }

    [Test]
    public void Two_servers_cannot_share_a_path()
    {
        VirtioPciProxy other = new(Memory);
        other.Plug(new Device.PciFakeDevice());
        PosixException e = Assert.Throws<PosixException>(() => new VfioUserServer(Context, other, SocketPath).Dispose())!;
        Assert.That(e.Errno, Is.EqualTo(Errno.EADDRINUSE));
        TurnUntil(() => !Server.HasClient && Server.Statistics.Clients == 1, "the probe came and went");
        ConnectAndNegotiate();
    }

    [Test]
    public void Stopping_disconnects_the_client_and_removes_the_socket()
    {
        TestClient client = ConnectAndNegotiate();
        client.PostWrite(Modern, 20, 15);
        client.RegionInfo(0);
        Context.ScheduleOneShot(Server.Dispose);
        Assert.That(client.IsClosedByServer(), Is.True);
        Assert.That(File.Exists(SocketPath), Is.False);
        Assert.That(Device.Status, Is.Zero);
    }

    [Test]
    public void A_server_on_a_thread_of_its_own_serves_a_client_that_blocks()
    {
        using IoThread thread = new(new AioContextOptions { Name = "server", Monitor = Monitor });
        VirtioPciProxy proxy = new(Memory);
        proxy.Plug(new Device.PciFakeDevice());
        VfioUserServer? server = null;
        thread.Context.Invoke(() => server = new VfioUserServer(thread.Context, proxy, SocketPath + "2"));
        using (VfioUserConnection client = new(UnixSocket.Connect(SocketPath + "2")))
        {
            for (ushort i = 0; i < 100; i++)
            {
                VfioUserHeader header = new()
                {
                    Id = i, Command = i == 0 ? VfioUserCommand.Version : VfioUserCommand.GetInfo,
                };
                Span<byte> payload = client.Begin(header, i == 0 ? 4 : 16);
                payload.Clear();
                payload[0] = (byte)(i == 0 ? 0 : 16);
                client.SendWithin(30_000);
                Assert.That(client.Receive(30_000), Is.EqualTo(MessageReceive.Message));
                Assert.That((client.Header.Id, client.Header.Error), Is.EqualTo((i, 0u)));
            }
        }

        thread.Context.Invoke(() => server!.Dispose());
        Assert.That(File.Exists(SocketPath + "2"), Is.False);
    }

    private static int OpenDescriptors() => Directory.GetFiles("/proc/self/fd").Length;
}

/// <summary>The same over whichever monitor the machine prefers: io_uring where there is one.</summary>
public class VfioUserLifecyclePreferredMonitorTests : VfioUserLifecycleTests
{
    protected override FdMonitorKind Monitor => FdMonitorKind.Auto;
}
