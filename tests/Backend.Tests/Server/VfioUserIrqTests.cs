using NUnit.Framework;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

public class VfioUserIrqTests : VfioUserFixture
{
    private const uint Intx = 0;
    private const uint Msix = 2;
    private const uint Err = 3;
    private const uint Req = 4;
    private readonly EventFd[] _fds = new EventFd[3];

    [SetUp]
    public void CreateEventFds()
    {
        for (int i = 0; i < _fds.Length; i++)
        {
            _fds[i] = new EventFd();
        }
    }

    [TearDown]
    public void CloseEventFds() => Array.ForEach(_fds, f => f.Dispose());

    [Test]
    public void Msix_is_switched_on_without_descriptor_and_vectors_follow_one_by_one()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.SetIrqs(TriggerFds, Msix, 0, 1).Error, Is.Zero);
        client.Write(Modern, 26, 1, 0);
        Proxy.NotifyQueue(0);
        Assert.That(client.Read(1, 0x800, 4).Payload[16], Is.EqualTo(2), "pending");
        Assert.That(client.SetIrqs(TriggerFds, Msix, 1, 1, [_fds[0].Descriptor]).Error, Is.Zero);
        Assert.That(_fds[0].TestAndClear(), Is.True);
        Assert.That(client.SetIrqs(TriggerFds, Msix, 1, 1, [_fds[1].Descriptor]).Error, Is.Zero);
        Proxy.NotifyQueue(0);
        Assert.That(_fds[1].TestAndClear(), Is.True);
        Assert.That(_fds[0].TestAndClear(), Is.False, "replaced");
    }

    [Test]
    public void Several_vectors_are_set_in_one_message()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.SetIrqs(TriggerFds, Msix, 0, 3, [.. _fds.Select(f => f.Descriptor)]).Error, Is.Zero);
        for (int v = 0; v < 3; v++)
        {
            Assert.That(client.SetIrqs(TriggerNone, Msix, (uint)v, 1).Error, Is.Zero);
            Assert.That(_fds.Select(f => f.TestAndClear()), Is.EqualTo(Enumerable.Range(0, 3).Select(i => i == v)));
        }
    }

    [Test]
    public void Sets_that_come_in_chunks_add_up()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.SetIrqs(TriggerFds, Msix, 0, 1, [_fds[0].Descriptor]).Error, Is.Zero);
        Assert.That(client.SetIrqs(TriggerFds, Msix, 1, 2, [_fds[1].Descriptor, _fds[2].Descriptor]).Error, Is.Zero);
        Assert.That(client.SetIrqs(TriggerNone, Msix, 0, 3).Error, Is.Zero);
        Assert.That(_fds.Select(f => f.TestAndClear()), Is.All.True);
    }

    [Test]
    public void Booleans_choose_among_the_range()
    {
        TestClient client = ConnectAndNegotiate();
        client.SetIrqs(TriggerFds, Msix, 0, 3, [.. _fds.Select(f => f.Descriptor)]);
        Assert.That(client.SetIrqs(0x22, Msix, 0, 3, data: [1, 0, 1]).Error, Is.Zero);
        Assert.That(_fds.Select(f => f.TestAndClear()), Is.EqualTo(new[] { true, false, true }));
        Assert.That(client.SetIrqs(0x0A, Msix, 1, 2, data: [1, 0]).Error, Is.Zero);
        Assert.That(client.SetIrqs(TriggerNone, Msix, 0, 3).Error, Is.Zero);
        Assert.That(_fds.Select(f => f.TestAndClear()), Is.EqualTo(new[] { true, false, true }), "vector 1 is masked");
        Assert.That(client.SetIrqs(0x12, Msix, 1, 1, data: [1]).Error, Is.Zero);
        Assert.That(_fds[1].TestAndClear(), Is.True, "delivered when unmasked");
    }

    [Test]
    public void Masking_and_unmasking_without_data_goes_for_the_whole_range()
    {
        TestClient client = ConnectAndNegotiate();
        client.SetIrqs(TriggerFds, Msix, 0, 3, [.. _fds.Select(f => f.Descriptor)]);
        Assert.That(client.SetIrqs(0x09, Msix, 0, 3).Error, Is.Zero);
        client.SetIrqs(TriggerNone, Msix, 0, 3);
        Assert.That(_fds.Select(f => f.TestAndClear()), Is.All.False);
        Assert.That(client.SetIrqs(0x11, Msix, 0, 3).Error, Is.Zero);
        Assert.That(_fds.Select(f => f.TestAndClear()), Is.All.True);
    }

    [Test]
    public void Disabling_drops_the_eventfds([Values(Intx, 1u, Msix, Err, Req)] uint index)
    {
        TestClient client = ConnectAndNegotiate();
        if (index != 1)
        {
            Assert.That(client.SetIrqs(TriggerFds, index, 0, 1, [_fds[0].Descriptor]).Error, Is.Zero);
        }

        Assert.That(client.SetIrqs(TriggerNone, index, 0, 0).Error, Is.Zero);
        if (index != 1)
        {
            Assert.That(client.SetIrqs(TriggerNone, index, 0, 1).Error, Is.Zero);
            Assert.That(_fds[0].TestAndClear(), Is.False);
        }
    }

    [Test]
    public void A_range_without_descriptors_is_unbound()
    {
        TestClient client = ConnectAndNegotiate();
        client.SetIrqs(TriggerFds, Msix, 0, 3, [.. _fds.Select(f => f.Descriptor)]);
        Assert.That(client.SetIrqs(TriggerFds, Msix, 1, 2).Error, Is.Zero);
        client.SetIrqs(TriggerNone, Msix, 0, 3);
        Assert.That(_fds.Select(f => f.TestAndClear()), Is.EqualTo(new[] { true, false, false }));
    }

    [Test]
    public void Intx_is_masked_unmasked_and_ended_by_message()
    {
        TestClient client = ConnectAndNegotiate();
        client.SetIrqs(TriggerFds, Intx, 0, 1, [_fds[0].Descriptor]);
        Proxy.NotifyQueue(0);
        Assert.That(_fds[0].TestAndClear(), Is.True);
        Assert.That(client.SetIrqs(0x09, Intx, 0, 1).Error, Is.Zero);
        Assert.That(client.SetIrqs(0x11, Intx, 0, 1).Error, Is.Zero);
        Assert.That(_fds[0].TestAndClear(), Is.True, "still high");
        Assert.That(client.Read(Modern, 0x1000, 1).Payload[16], Is.EqualTo(1));
        Assert.That(client.SetIrqs(0x11, Intx, 0, 1).Error, Is.Zero);
        Assert.That(_fds[0].TestAndClear(), Is.False);
    }

    [Test]
    public void An_end_of_interrupt_eventfd_is_polled()
    {
        TestClient client = ConnectAndNegotiate();
        client.SetIrqs(TriggerFds, Intx, 0, 1, [_fds[0].Descriptor]);
        Assert.That(client.SetIrqs(0x14, Intx, 0, 1, [_fds[1].Descriptor]).Error, Is.Zero);
        Proxy.NotifyQueue(0);
        _fds[0].TestAndClear();
        _fds[1].Signal();
        TurnUntil(_fds[0].TestAndClear, "the interrupt is still high and comes again");
        client.Read(Modern, 0x1000, 1);
        Assert.That(client.SetIrqs(0x14, Intx, 0, 1, [_fds[2].Descriptor]).Error, Is.Zero, "replaced");
        Assert.That(client.SetIrqs(0x14, Intx, 0, 1).Error, Is.Zero, "dropped");
        Proxy.NotifyQueue(0);
        Assert.That(_fds[0].TestAndClear(), Is.True);
        _fds[2].Signal();
        Assert.That(client.HearsNothing(), Is.True);
        Assert.That(_fds[0].TestAndClear(), Is.False);
    }

    [Test]
    public void Only_eventfds_are_taken_for_eventfds()
    {
        TestClient client = ConnectAndNegotiate();
        using FileDescriptor memory = MemFd.CreateSealed("no eventfd", 4096);
        Assert.That(client.SetIrqs(TriggerFds, Msix, 0, 1, [memory]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(TriggerFds, Msix, 0, 2, [_fds[0].Descriptor, memory]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(0x14, Intx, 0, 1, [memory]).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Short_requests_are_refused()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Ask(VfioUserCommand.SetIrqs, new byte[8]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Ask(VfioUserCommand.SetIrqs, new byte[19]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(TriggerNone, Req, 0, 0, argSize: 3).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(TriggerNone, Req, 0, 0, argSize: 19).Error, Is.EqualTo(Errno.EINVAL));
    }

    [TestCase(0x21u, 5u, 0u, 0u, TestName = "Index past the last")]
    [TestCase(0x21u, uint.MaxValue, 0u, 0u, TestName = "Index far past the last")]
    [TestCase(0x19u, 2u, 0u, 1u, TestName = "Two actions")]
    [TestCase(0x39u, 2u, 0u, 1u, TestName = "Three actions")]
    [TestCase(0x01u, 2u, 0u, 1u, TestName = "No action")]
    [TestCase(0x18u, 2u, 0u, 0u, TestName = "Two actions and no data type")]
    [TestCase(0x0Bu, 2u, 0u, 1u, TestName = "Two data types")]
    [TestCase(0x20u, 2u, 0u, 1u, TestName = "No data type")]
    [TestCase(0x61u, 2u, 0u, 1u, TestName = "Unknown flag")]
    [TestCase(0x09u, 2u, 2u, 2u, TestName = "Range past the end")]
    [TestCase(0x09u, 2u, 4u, 1u, TestName = "Range beyond the end")]
    [TestCase(0x09u, 2u, 0xFFFFFFFFu, 2u, TestName = "Range overflows")]
    [TestCase(0x24u, 2u, 1u, 0xFFFFFFFFu, TestName = "Range overflows from a small start")]
    [TestCase(0x09u, 3u, 0u, 1u, TestName = "ERR masked")]
    [TestCase(0x11u, 3u, 0u, 1u, TestName = "ERR unmasked")]
    [TestCase(0x09u, 4u, 0u, 1u, TestName = "REQ masked")]
    [TestCase(0x21u, 3u, 0u, 2u, TestName = "ERR past the end")]
    [TestCase(0x21u, 4u, 0u, 2u, TestName = "REQ past the end")]
    [TestCase(0x24u, 1u, 0u, 1u, TestName = "MSI, which there is none of")]
    [TestCase(0x09u, 2u, 1u, 0u, TestName = "Count 0 from 1 on")]
    [TestCase(0x21u, 2u, 1u, 0u, TestName = "Disable from 1 on")]
    [TestCase(0x09u, 2u, 0u, 0u, TestName = "Count 0 masked")]
    [TestCase(0x22u, 2u, 0u, 0u, TestName = "Count 0 with booleans")]
    [TestCase(0x24u, 2u, 0u, 0u, TestName = "Count 0 with eventfds")]
    public void Bad_requests_are_refused(uint flags, uint index, uint start, uint count) =>
        Assert.That(ConnectAndNegotiate().SetIrqs(flags, index, start, count).Error, Is.EqualTo(Errno.EINVAL));

    [Test]
    public void Descriptors_must_fit_the_request()
    {
        TestClient client = ConnectAndNegotiate();
        FileDescriptor one = _fds[0].Descriptor;
        Assert.That(client.SetIrqs(TriggerNone, Msix, 0, 1, [one]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(TriggerNone, Msix, 0, 0, [one]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(0x22, Msix, 0, 1, [one], [0]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(TriggerFds, Msix, 0, 2, [one]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(TriggerFds, Msix, 0, 1, [one, one]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.SetIrqs(0x22, Msix, 0, 2, data: [0]).Error, Is.EqualTo(Errno.EINVAL), "too few booleans");
        Assert.That(client.SetIrqs(0x22, Msix, 0, 2, data: [0, 0, 0]).Error, Is.EqualTo(Errno.EINVAL), "too many");
    }

    [Test]
    public void Eventfds_for_masking_are_not_supported()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.SetIrqs(0x0C, Intx, 0, 1, [_fds[0].Descriptor]).Error, Is.EqualTo(Errno.EOPNOTSUPP));
        Assert.That(client.SetIrqs(0x14, Msix, 0, 1, [_fds[0].Descriptor]).Error, Is.EqualTo(Errno.EOPNOTSUPP));
    }

    [Test]
    public void Interrupts_sent_anew_after_a_reset_work()
    {
        TestClient client = ConnectAndNegotiate();
        client.SetIrqs(TriggerFds, Msix, 1, 1, [_fds[0].Descriptor]);
        client.Ask(VfioUserCommand.Reset, []);
        Assert.That(client.SetIrqs(TriggerNone, Msix, 0, 0).Error, Is.Zero);
        Assert.That(client.SetIrqs(TriggerFds, Msix, 1, 1, [_fds[1].Descriptor]).Error, Is.Zero);
        client.Write(Modern, 26, 1, 0);
        Proxy.NotifyQueue(0);
        Assert.That(_fds[1].TestAndClear(), Is.True);
        Assert.That(_fds[0].TestAndClear(), Is.False);
    }
}
