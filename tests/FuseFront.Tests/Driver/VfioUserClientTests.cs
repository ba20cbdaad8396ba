using FuseFront.Driver;
using RingCore.Aio;
using RingCore.Framing;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;

namespace FuseFront.Tests.Driver;

/// <summary>What the front makes of a server's answers, descriptors and silence, the wrong ones above all.</summary>
public sealed class VfioUserClientTests
{
    /// <summary>As many small messages do not fit into any socket of usual size.</summary>
    private const int MoreThanFits = 2000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private ScriptedServer _server = null!;
    private ManualResetEventSlim _gate = null!; // for the server's thread to wait at

    [SetUp]
    public void StartServer()
    {
        _server = new ScriptedServer();
        _gate = new ManualResetEventSlim();
    }

    [TearDown]
    public void EndServer()
    {
        _gate.Set();
        _server.Dispose();
        _gate.Dispose();
    }

    [Test]
    public void Doorbells_are_the_eventfds_that_the_server_sends()
    {
        using EventFd first = new();
        using EventFd second = new();
        AnswerIoFds([Entry(0, 0), Entry(4, 1), Entry(8, 1, size: 0)], first.Descriptor, second.Descriptor);
        using VfioUserClient client = _server.Connect();
        IoEventFdTable<EventFd> table = client.GetIoEventFds(ScriptedServer.Bar);
        Assert.That(table.Entries.Length, Is.EqualTo(3));
        Assert.That(table.Match(8, 2, 0)!.Signal(), Is.True);
        Assert.That((first.TestAndClear(), second.TestAndClear()), Is.EqualTo((false, true)));
        Dispose(table);
    }

    [Test]
    public void Doorbell_that_is_no_eventfd_is_refused()
    {
        using EventFd good = new();
        using FileDescriptor file = MemFd.CreateSealed("test", 4096);
        AnswerIoFds([Entry(0, 0), Entry(4, 1)], good.Descriptor, file);
        using VfioUserClient client = _server.Connect();
        ExpectNoDoorbells(client, "no eventfd");
        byte[] content = new byte[8];
        Assert.That(file.Read(content), Is.EqualTo(8));
        Assert.That(content, Is.All.Zero, "nothing was written");
    }

    [TestCase(3UL)]
    [TestCase(16UL)]
    [TestCase((1UL << 32) + 2)]
    public void Doorbell_of_a_size_that_no_write_has_is_refused(ulong size)
    {
        using EventFd fd = new();
        AnswerIoFds([Entry(0, 0), Entry(4, 0, size)], fd.Descriptor);
        using VfioUserClient client = _server.Connect();
        ExpectNoDoorbells(client, $"writes of {size} bytes");
    }

    [Test]
    public void Doorbell_whose_descriptor_did_not_come_along_is_refused()
    {
        using EventFd fd = new();
        AnswerIoFds([Entry(0, 0), Entry(4, 1)], fd.Descriptor);
        using VfioUserClient client = _server.Connect();
        ExpectNoDoorbells(client, "descriptor 1 of the 1");
    }

    [Test]
    public void List_that_is_shorter_than_it_says_is_refused()
    {
        _server.Instead[VfioUserCommand.GetRegionIoFds] = c => ScriptedServer.Answer(c, ScriptedServer.Bytes(new VfioUserRegionIoFds { ArgSize = 96, Count = 2 }));
        using VfioUserClient client = _server.Connect();
        ExpectNoDoorbells(client, "a list of 2 ioeventfds has 0 bytes");
    }

    [Test]
    public void Region_with_more_doorbells_than_one_message_carries_has_none()
    {
        _server.Instead[VfioUserCommand.GetRegionIoFds] = c => ScriptedServer.Answer(c, ScriptedServer.Bytes(new VfioUserRegionIoFds { ArgSize = 1 << 20, Count = 26214 }));
        using VfioUserClient client = _server.Connect();
        Assert.That(client.GetIoEventFds(ScriptedServer.Bar).Entries.IsEmpty, Is.True);
    }

    [Test]
    public void Descriptors_that_no_doorbell_names_are_closed()
    {
        using EventFd fd = new();
        using FileDescriptor file = MemFd.CreateSealed("test", 4096);
        AnswerIoFds([Entry(0, 0), Entry(4, 1, type: 1)], fd.Descriptor, file, fd.Descriptor);
        using VfioUserClient client = _server.Connect();
        _ = client.GetDeviceInfo();
        int open = SentDescriptors();
        IoEventFdTable<EventFd> table = client.GetIoEventFds(ScriptedServer.Bar);
        Assert.That(table.Entries.Length, Is.EqualTo(1), "the other type's is not ours to ring");
        Dispose(table);
        _ = client.GetDeviceInfo();
        Assert.That(SentDescriptors(), Is.EqualTo(open));
    }

    [Test]
    public void Server_that_takes_no_descriptors_is_refused()
    {
        _server.MaxMsgFds = 0;
        Assert.That(() => _server.Connect(), Throws.InstanceOf<ProtocolException>().With.Message.Contains("max_msg_fds 0"));
    }

    [Test]
    public void Irqs_travel_in_as_many_messages_as_the_server_needs()
    {
        List<(uint Start, uint Count, int Fds)> heard = [];
        _server.MaxMsgFds = 2;
        _server.Instead[VfioUserCommand.SetIrqs] = c =>
        {
            VfioIrqSet set = System.Runtime.InteropServices.MemoryMarshal.Read<VfioIrqSet>(c.Payload);
            heard.Add((set.Start, set.Count, c.DescriptorCount));
            ScriptedServer.Answer(c, []);
        };
        using EventNotifier irq = new();
        using VfioUserClient client = _server.Connect();
        client.SetIrqs(VfioPciIrq.Msix, 0, [irq.WriteDescriptor, irq.WriteDescriptor, irq.WriteDescriptor]);
        Assert.That(heard, Is.EqualTo(new[] { (0u, 2u, 2), (2u, 1u, 1) }));
    }

    [Test]
    public void Posted_writes_wait_for_nothing_and_arrive_in_order_once_the_server_reads()
    {
        List<uint> heard = [];
        using ManualResetEventSlim all = new();
        _server.Instead[VfioUserCommand.RegionWrite] = c =>
        {
            _gate.Wait(Patience);
            heard.Add(BitConverter.ToUInt32(c.Payload[16..]));
            if (heard.Count == MoreThanFits)
            {
                all.Set();
            }
        };
        using VfioUserClient client = _server.Connect();
        for (uint i = 0; i < MoreThanFits; i++)
        {
            client.Post(ScriptedServer.Bar, 0, i);
        }

        _gate.Set();
        Assert.That(all.Wait(Patience), Is.True, "without another write or question");
        Assert.That(heard, Is.EqualTo(Enumerable.Range(0, MoreThanFits).Select(i => (uint)i)));
    }

    [Test]
    public void Question_follows_the_writes_that_were_posted_before_it()
    {
        int heard = 0;
        _server.Instead[VfioUserCommand.RegionWrite] = _ => heard++;
        using VfioUserClient client = _server.Connect();
        for (uint i = 0; i < MoreThanFits; i++)
        {
            client.Post(ScriptedServer.Bar, 0, i);
        }

        _ = client.GetDeviceInfo();
        Assert.That(heard, Is.EqualTo(MoreThanFits));
    }

    [Test]
    public void Posted_write_does_not_wait_for_an_answer_that_is_due()
    {
        _server.Instead[VfioUserCommand.GetInfo] = c =>
        {
            VfioUserHeader question = c.Header;
            _gate.Set();
            Assert.That(c.Receive((int)Patience.TotalMilliseconds), Is.EqualTo(MessageReceive.Message));
            Assert.That(c.Header.Command, Is.EqualTo(VfioUserCommand.RegionWrite));
            question.Flags = VfioUserFlags.Reply;
            ScriptedServer.Bytes(new VfioDeviceInfo { RegionCount = 7 }).CopyTo(c.Begin(question, 16));
            c.Send();
        };
        using VfioUserClient client = _server.Connect();
        Thread queue = new(() =>
        {
            _gate.Wait(Patience);
            client.Post(ScriptedServer.Bar, 0, 1u);
        });
        queue.Start();
        Assert.That(client.GetDeviceInfo().RegionCount, Is.EqualTo(7));
        queue.Join();
    }

    [Test]
    public void Server_that_never_reads_is_given_up_and_posted_writes_vanish()
    {
        _server.Instead[VfioUserCommand.RegionWrite] = _ => _gate.Wait(Patience);
        using VfioUserClient client = _server.Connect(timeoutMs: 2000);
        Assert.That(client.Ended.WaitReadable(TimeSpan.Zero), Is.False);
        for (uint i = 0; i < MoreThanFits; i++)
        {
            client.Post(ScriptedServer.Bar, 0, i);
        }

        Assert.That(client.Ended.WaitReadable(Patience), Is.True);
        client.Post(ScriptedServer.Bar, 0, 1u); // throws nothing
        Assert.That(() => client.GetDeviceInfo(), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EPIPE));
    }

    [Test]
    public void Server_that_leaves_too_much_unread_is_given_up()
    {
        _server.Instead[VfioUserCommand.RegionWrite] = _ => _gate.Wait(Patience);
        using VfioUserClient client = _server.Connect();
        for (uint i = 0; !client.Ended.WaitReadable(TimeSpan.Zero); i++)
        {
            Assert.That(i, Is.LessThan(100_000));
            client.Post(ScriptedServer.Bar, 0, i);
        }
    }

    [Test]
    public void Server_that_does_not_answer_is_asked_nothing_more()
    {
        _server.Instead[VfioUserCommand.GetInfo] = _ => { };
        using VfioUserClient client = _server.Connect(timeoutMs: 2000);
        Assert.That(() => client.GetDeviceInfo(), Throws.InstanceOf<ProtocolException>().With.Property("Errno").EqualTo(Errno.ETIMEDOUT));
        Assert.That(client.Ended.WaitReadable(TimeSpan.Zero), Is.True);
        Assert.That(() => client.GetDeviceInfo(), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EPIPE));
    }

    [Test]
    public void Server_that_says_something_unasked_has_not_ended_the_connection()
    {
        using ManualResetEventSlim said = new();
        _server.Instead[VfioUserCommand.GetInfo] = c =>
        {
            ScriptedServer.Answer(c, ScriptedServer.Bytes(default(VfioDeviceInfo)));
            _gate.Wait(Patience);
            c.Begin(new VfioUserHeader { Command = VfioUserCommand.DmaRead }, 16).Clear();
            c.Send();
            said.Set();
        };
        using VfioUserClient client = _server.Connect();
        _ = client.GetDeviceInfo();
        _gate.Set();
        Assert.That(said.Wait(Patience), Is.True);
        Assert.That(client.Ended.WaitReadable(TimeSpan.Zero), Is.False);
        Assert.That(
            () => client.GetDeviceInfo(), Throws.InstanceOf<ProtocolException>().With.Message.Contains("asks for DmaRead of its own accord"));
        Assert.That(client.Ended.WaitReadable(TimeSpan.Zero), Is.False);
        _server.Dispose();
        Assert.That(client.Ended.WaitReadable(Patience), Is.True);
        _server = new ScriptedServer();
    }

    [Test]
    public void Client_can_be_disposed_twice_and_with_writes_that_still_wait()
    {
        _server.Instead[VfioUserCommand.RegionWrite] = _ => _gate.Wait(Patience);
        VfioUserClient client = _server.Connect();
        for (uint i = 0; i < MoreThanFits; i++)
        {
            client.Post(ScriptedServer.Bar, 0, i);
        }

        client.Dispose();
        client.Dispose();
    }

    private static VfioUserSubRegionIoEventFd Entry(ulong offset, uint fd, ulong size = 2, uint type = VfioUserSubRegionIoEventFd.TypeIoEventFd) =>
        new() { Offset = offset, Size = size, FdIndex = fd, Type = type };

    private void AnswerIoFds(VfioUserSubRegionIoEventFd[] entries, params FileDescriptor[] fds) =>
        _server.Instead[VfioUserCommand.GetRegionIoFds] = c => ScriptedServer.Answer(
            c,
            [
                .. ScriptedServer.Bytes(new VfioUserRegionIoFds { ArgSize = (uint)(16 + (40 * entries.Length)), Count = (uint)entries.Length }),
                .. entries.SelectMany(ScriptedServer.Bytes),
            ],
            fds);

    /// <summary>One line that says why, and no descriptor is left open.</summary>
    private static void ExpectNoDoorbells(VfioUserClient client, string words)
    {
        _ = client.GetDeviceInfo();
        int open = SentDescriptors();
        Assert.That(() => client.GetIoEventFds(ScriptedServer.Bar), Throws.InstanceOf<ProtocolException>().With.Message.Contains(words));
        _ = client.GetDeviceInfo();
        Assert.That(SentDescriptors(), Is.EqualTo(open));
    }

    private static void Dispose(IoEventFdTable<EventFd> table)
    {
        foreach (IoEventFd<EventFd> entry in table.Entries)
        {
            entry.Target.Dispose();
        }
    }

    /// <summary>Of the kinds that these tests send: the runtime opens others at any time.</summary>
    private static int SentDescriptors() => Directory.GetFileSystemEntries("/proc/self/fd")
        .Select(entry => new FileInfo(entry).LinkTarget ?? "")
        .Count(target => target.Contains("[eventfd]", StringComparison.Ordinal) || target.Contains("memfd:test", StringComparison.Ordinal));
}
