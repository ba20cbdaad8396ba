using FuseFront.Driver;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>What the front makes of a back end's answers, the wrong ones above all.</summary>
public sealed class VhostUserTransportTests
{
    private static readonly TimeSpan NoPatience = TimeSpan.Zero;
    private ScriptedBackend _backend = null!;

    [SetUp]
    public void StartBackend() => _backend = new ScriptedBackend();

    [TearDown]
    public void EndBackend() => _backend.Dispose();

    [Test]
    public void Device_is_brought_into_service_and_reset_in_a_session_of_its_own()
    {
        using VhostUserTransport transport = new(_backend.Socket, NoPatience);
        VhostUserRequest[] setUp =
        [
            VhostUserRequest.SetFeatures, VhostUserRequest.SetMemTable, VhostUserRequest.SetVringNum, VhostUserRequest.SetVringBase,
            VhostUserRequest.SetVringAddr, VhostUserRequest.SetVringCall, VhostUserRequest.SetVringErr, VhostUserRequest.SetVringKick,
            VhostUserRequest.SetVringEnable,
        ];
        for (int session = 1; session <= 3; session++)
        {
            int before = Heard().Length;
            BlkDriver driver = new(transport, new BlkDriverOptions { Queues = 4, QueueSize = 16 });
            Assert.That(driver.QueueCount, Is.EqualTo(2));
            Assert.That(driver.Config.Capacity, Is.EqualTo(2048));
            Assert.That(transport.Status, Is.EqualTo(15));
            Assert.That(transport.Connection.WaitReadable(TimeSpan.Zero), Is.False);
            VhostUserRequest?[] heard = Heard()[before..];
            Assert.That(heard.Where(r => r is { } one && setUp.Contains(one)).Distinct(), Is.EqualTo(setUp), $"session {session}");
            transport.Status = 0;
            Assert.That(Heard().Count(r => r is null), Is.EqualTo(session), "the back end has seen the end when the reset is done");
            Assert.That(transport.Connection.WaitReadable(TimeSpan.Zero), Is.False, "an end of ours is no failure");
        }
    }

    [Test]
    public void Back_end_that_hangs_up_is_noticed()
    {
        using VhostUserTransport transport = new(_backend.Socket, NoPatience);
        _backend.Dispose();
        Assert.That(transport.Connection.WaitReadable(TimeSpan.FromSeconds(30)), Is.True);
        Assert.That(() => transport.ReadConfig(), Throws.InstanceOf<ProtocolException>().With.Message.Contains("closed the connection"));
        _backend = new ScriptedBackend();
    }

    [Test]
    public void Status_is_the_back_ends_where_it_keeps_one()
    {
        _backend.ProtocolFeatures |= VhostUserProtocolFeatures.Status;
        _backend.Instead[VhostUserRequest.GetStatus] = c => ScriptedBackend.Answer(c, VhostUserRequest.GetStatus, (ulong)(15 | DeviceStatus.NeedsReset));
        using VhostUserTransport transport = new(_backend.Socket, NoPatience);
        Assert.That(
            () => new BlkDriver(transport, new BlkDriverOptions { Queues = 1 }),
            Throws.InstanceOf<ProtocolException>().With.Message.Contains("asks for a reset"));
        Assert.That(Heard(), Does.Contain(VhostUserRequest.SetStatus));
    }

    [Test]
    public void Device_without_acknowledgements_and_several_queues_is_driven_too()
    {
        _backend.ProtocolFeatures = VhostUserProtocolFeatures.Config;
        using VhostUserTransport transport = new(_backend.Socket, NoPatience);
        BlkDriver driver = new(transport, new BlkDriverOptions { Queues = 4 });
        Assert.That(driver.QueueCount, Is.EqualTo(1));
        Assert.That(Heard(), Does.Not.Contain(VhostUserRequest.GetQueueNum));
    }

    [Test]
    public void Refusal_names_what_was_refused()
    {
        _backend.Instead[VhostUserRequest.SetMemTable] = c => ScriptedBackend.Answer(c, VhostUserRequest.SetMemTable, 22UL);
        Expect("the back end refuses SetMemTable (22)");
    }

    [Test]
    public void Back_end_of_another_device_is_told_apart()
    {
        _backend.ProtocolFeatures = VhostUserProtocolFeatures.MultiQueue;
        Expect("CONFIG");
        _backend.Features &= ~VirtioFeatures.VhostUserProtocolFeatures;
        Expect("no protocol features");
    }

    [Test]
    public void Legacy_device_and_one_without_queues_are_refused()
    {
        _backend.Instead[VhostUserRequest.GetQueueNum] = c => ScriptedBackend.Answer(c, VhostUserRequest.GetQueueNum, 0UL);
        Expect("no queue");
        _backend.Features &= ~VirtioFeatures.Version1;
        Expect("legacy");
    }

    [Test]
    public void More_queues_than_can_be_named_are_not_used()
    {
        _backend.Instead[VhostUserRequest.GetQueueNum] = c => ScriptedBackend.Answer(c, VhostUserRequest.GetQueueNum, ulong.MaxValue);
        using VhostUserTransport transport = new(_backend.Socket, NoPatience);
        Assert.That(transport.QueueCount, Is.EqualTo(256));
    }

    [TestCase(VhostUserRequest.GetFeatures, 4)]
    [TestCase(VhostUserRequest.GetProtocolFeatures, 9)]
    [TestCase(VhostUserRequest.SetOwner, 0)]
    [TestCase(VhostUserRequest.GetConfig, 0)]
    [TestCase(VhostUserRequest.GetConfig, 12)]
    [TestCase(VhostUserRequest.GetConfig, 71)]
    [TestCase(VhostUserRequest.GetConfig, 300)]
    [TestCase(VhostUserRequest.SetVringKick, 16)]
    public void Answer_of_another_size_is_an_error(VhostUserRequest request, int length)
    {
        _backend.Instead[request] = c =>
        {
            c.Begin(request, VhostUserFlags.Reply, length).Clear();
            c.Send();
        };
        Expect($"{length} bytes");
    }

    [Test]
    public void Answer_of_an_impossible_size_is_an_error()
    {
        _backend.Instead[VhostUserRequest.GetConfig] = c =>
        {
            c.Begin(VhostUserRequest.GetConfig, VhostUserFlags.Reply, 100_000).Clear();
            c.Send();
        };
        Expect("impossible 100000 bytes");
    }

    [TestCase(VhostUserRequest.SetFeatures, VhostUserFlags.Reply)]
    [TestCase(VhostUserRequest.GetFeatures, VhostUserFlags.None)]
    [TestCase(VhostUserRequest.GetFeatures, VhostUserFlags.Reply | (VhostUserFlags)2)]
    public void Answer_to_something_else_is_an_error(VhostUserRequest request, VhostUserFlags flags)
    {
        _backend.Instead[VhostUserRequest.GetFeatures] = c => ScriptedBackend.Answer(c, request, 0UL, flags);
        Expect("something else");
    }

    [TestCase(VhostUserRequest.GetFeatures)]
    [TestCase(VhostUserRequest.SetOwner)]
    [TestCase(VhostUserRequest.GetConfig)]
    [TestCase(VhostUserRequest.SetVringAddr)]
    [TestCase(VhostUserRequest.SetVringEnable)]
    public void Hanging_up_in_the_middle_is_an_error(VhostUserRequest request)
    {
        _backend.Instead[request] = _ => throw new EndOfStreamException();
        Expect("closed the connection");
    }

    [Test]
    public void Descriptors_that_come_with_an_answer_are_closed()
    {
        _backend.Instead[VhostUserRequest.GetQueueNum] = c =>
        {
            using EventFd fd = new();
            c.Begin(VhostUserRequest.GetQueueNum, VhostUserFlags.Reply, sizeof(ulong))[0] = 2;
            c.Send([fd.Descriptor, fd.Descriptor]);
        };
        using VhostUserTransport transport = new(_backend.Socket, NoPatience);
        _ = transport.QueueCount;
        int open = OpenDescriptors();
        for (int i = 0; i < 50; i++)
        {
            _ = transport.QueueCount;
        }

        Assert.That(OpenDescriptors(), Is.LessThan(open + 20));
    }

    /// <summary>With a status of the back end's or without: neither says what has become of a ring.</summary>
    [TestCase(VhostUserProtocolFeatures.None)]
    [TestCase(VhostUserProtocolFeatures.Status)]
    public void Ring_error_is_told_as_such(VhostUserProtocolFeatures status)
    {
        List<EventFd> errors = [];
        _backend.ProtocolFeatures |= status;
        _backend.Instead[VhostUserRequest.GetStatus] = c => ScriptedBackend.Answer(c, VhostUserRequest.GetStatus, 15UL);
        _backend.Instead[VhostUserRequest.SetVringErr] = c =>
        {
            errors.Add(new EventFd(c.TakeDescriptor(0)));
            ScriptedBackend.Answer(c, VhostUserRequest.SetVringErr, 0UL);
        };
        using VhostUserTransport transport = new(_backend.Socket, NoPatience);
        BlkDriver driver = new(transport, new BlkDriverOptions { Queues = 2 });
        Assert.That(errors, Has.Count.EqualTo(2));
        Assert.That(transport.RingErrors!.TestAndClear(), Is.False);
        foreach (EventFd error in errors)
        {
            error.Signal();
            Assert.That(transport.RingErrors.TestAndClear(), Is.True);
        }

        errors[0].Signal();
        transport.Status = 0;
        Assert.That(transport.RingErrors.TestAndClear(), Is.False, "an error of rings that are no more");
        Assert.That(driver.ConfigIrq.TestAndClear(), Is.False);
        errors.ForEach(error => error.Dispose());
    }

    [Test]
    public void Back_end_that_goes_on_talking_does_not_put_off_the_end_of_the_session()
    {
        _backend.ProtocolFeatures = VhostUserProtocolFeatures.Config;
        _backend.Instead[VhostUserRequest.SetOwner] = c =>
        {
            try
            {
                while (true)
                {
                    c.Begin(VhostUserRequest.GetStatus, VhostUserFlags.Reply, sizeof(ulong)).Clear();
                    c.SendWithin(30_000);
                }
            }
            catch (PosixException)
            {
                throw new EndOfStreamException(); // the front has closed the socket
            }
        };
        using VhostUserClient client = new(UnixSocket.Connect(_backend.Socket), timeoutMs: 2000);
        Assert.That(client.End, Throws.InstanceOf<ProtocolException>().With.Message.Contains("does not end the session"));
    }

    [Test]
    public void Back_end_that_does_not_answer_is_asked_nothing_more()
    {
        _backend.Instead[VhostUserRequest.GetQueueNum] = _ => { };
        using VhostUserClient client = new(UnixSocket.Connect(_backend.Socket), timeoutMs: 2000);
        Assert.That(
            () => client.AskU64(VhostUserRequest.GetQueueNum),
            Throws.InstanceOf<ProtocolException>().With.Property("Errno").EqualTo(Errno.ETIMEDOUT));
        Assert.That(client.Descriptor.Wait(PollEvents.PeerEnd, 0), Is.True);
        Assert.That(
            () => client.AskU64(VhostUserRequest.GetFeatures), Throws.InstanceOf<ProtocolException>().With.Message.Contains("closed the connection"));
    }

    private static int OpenDescriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    private VhostUserRequest?[] Heard()
    {
        lock (_backend.Heard)
        {
            return [.. _backend.Heard];
        }
    }

    /// <summary>Bringing the device into service fails with one line that says why.</summary>
    private void Expect(string words) => Assert.That(
        () =>
        {
            using VhostUserTransport transport = new(_backend.Socket, NoPatience);
            _ = new BlkDriver(transport, new BlkDriverOptions { Queues = 2 });
        },
        Throws.InstanceOf<ProtocolException>().With.Message.Contains(words).And.Message.Not.Contains("\n"));
}
