using System.Runtime.InteropServices;
using Backend.Device;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

public class VfioUserIoFdsTests : VfioUserFixture
{
    private readonly EventNotifier[] _notifiers = new EventNotifier[2];

    protected override VirtioPciOptions? Options => new() { Transitional = true, ModernPioNotify = true };

    [SetUp]
    public void CreateNotifiers()
    {
        for (int i = 0; i < _notifiers.Length; i++)
        {
            _notifiers[i] = new EventNotifier();
        }
    }

    [TearDown]
    public void DisposeNotifiers() => Array.ForEach(_notifiers, n => n.Dispose());

    [Test]
    public void Without_doorbells_the_answer_is_a_count_of_zero([Range(0, 8)] int region)
    {
        Answer answer = ConnectAndNegotiate().IoFds((uint)region);
        Assert.That(answer.Error, Is.Zero);
        Assert.That(answer.Payload, Has.Length.EqualTo(16));
        Assert.That(answer.As<VfioUserRegionIoFds>().ArgSize, Is.EqualTo(16));
        Assert.That(answer.As<VfioUserRegionIoFds>().Count, Is.Zero);
        Assert.That(answer.As<VfioUserRegionIoFds>().Index, Is.EqualTo(region));
        Assert.That(answer.Descriptors, Is.Empty);
    }

    [Test]
    public void Doorbells_come_with_their_eventfds()
    {
        TestClient client = ConnectAndNegotiate();
        Assign();
        Answer answer = client.IoFds(4);
        VfioUserRegionIoFds head = answer.As<VfioUserRegionIoFds>();
        Assert.That((head.ArgSize, head.Flags, head.Index, head.Count), Is.EqualTo((96u, 0u, 4u, 2u)));
        Assert.That(answer.Payload, Has.Length.EqualTo(96));
        Assert.That(answer.Descriptors, Has.Count.EqualTo(2));
        VfioUserSubRegionIoEventFd[] entries = Entries(answer);
        for (int q = 0; q < 2; q++)
        {
            Assert.That(entries[q].Offset, Is.EqualTo(0x3000 + (4 * q)));
            Assert.That(entries[q].Size, Is.Zero, "any length");
            Assert.That(entries[q].Type, Is.Zero);
            Assert.That((uint)entries[q].Flags, Is.Zero);
            using EventFd received = new(answer.Descriptors[(int)entries[q].FdIndex].Duplicate());
            received.Signal();
            Assert.That(_notifiers[q].TestAndClear(), Is.True);
        }
    }

    [Test]
    public void Io_doorbells_say_so_and_what_they_match()
    {
        TestClient client = ConnectAndNegotiate();
        Assign();
        VfioUserSubRegionIoEventFd[] entries = Entries(client.IoFds(0));
        Assert.That(entries.Select(e => (e.Offset, e.Size, (uint)e.Flags, e.DataMatch)), Is.EqualTo(
            new[] { (16UL, 2UL, 3u, 0UL), (16UL, 2UL, 3u, 1UL) }));
    }

    [Test]
    public void A_shared_eventfd_is_sent_once()
    {
        TestClient client = ConnectAndNegotiate();
        Proxy.AssignIoEventFd(0, _notifiers[0], true);
        Proxy.AssignIoEventFd(1, _notifiers[0], true);
        Answer answer = client.IoFds(4);
        Assert.That(answer.Descriptors, Has.Count.EqualTo(1));
        Assert.That(Entries(answer).Select(e => e.FdIndex), Is.EqualTo(new[] { 0u, 0u }));
    }

    [Test]
    public void Too_small_a_buffer_learns_the_size_and_gets_nothing_else([Values(16u, 56u, 95u)] uint argSize)
    {
        TestClient client = ConnectAndNegotiate();
        Assign();
        Answer answer = client.IoFds(4, argSize);
        Assert.That(answer.Payload, Has.Length.EqualTo(16));
        Assert.That(answer.As<VfioUserRegionIoFds>().ArgSize, Is.EqualTo(96));
        Assert.That(answer.As<VfioUserRegionIoFds>().Count, Is.EqualTo(2));
        Assert.That(answer.Descriptors, Is.Empty);
        Assert.That(client.IoFds(4, 96).Descriptors, Has.Count.EqualTo(2));
    }

    [Test]
    public void A_client_gets_no_more_descriptors_than_it_takes()
    {
        TestClient client = Connect();
        Assert.That(client.Version("{}").Error, Is.Zero);
        Assign();
        Answer answer = client.IoFds(4);
        Assert.That(answer.Descriptors, Has.Count.EqualTo(1), "the default of max_msg_fds");
        Assert.That(answer.As<VfioUserRegionIoFds>().Count, Is.EqualTo(1));
        Assert.That(answer.Payload, Has.Length.EqualTo(56));
    }

    [Test]
    public void Bad_requests_are_refused()
    {
        TestClient client = ConnectAndNegotiate();
        Assign();
        Assert.That(client.IoFds(4, flags: 1).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IoFds(4, count: 1).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IoFds(4, argSize: 15).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IoFds(9).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IoFds(512).Error, Is.EqualTo(Errno.EINVAL));
    }

    private static VfioUserSubRegionIoEventFd[] Entries(Answer answer) =>
        MemoryMarshal.Cast<byte, VfioUserSubRegionIoEventFd>(answer.Payload.AsSpan(16)).ToArray();

    private void Assign()
    {
        for (int i = 0; i < _notifiers.Length; i++)
        {
            Proxy.AssignIoEventFd(i, _notifiers[i], true);
        }
    }
}
