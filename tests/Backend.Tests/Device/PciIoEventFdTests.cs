using Backend.Device;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;

namespace Backend.Tests.Device;

public class PciIoEventFdTests : PciFixture
{
    private readonly EventNotifier[] _notifiers = new EventNotifier[2];

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
    public void A_modern_doorbell_is_any_length_at_its_own_address()
    {
        Assign(true);
        IoEventFd<EventNotifier>[] entries = Proxy.RegionIoEventFds(4).Entries.ToArray();
        Assert.That(entries.Select(e => e.Address), Is.EqualTo(new ulong[] { 0x3000, 0x3004 }));
        Assert.That(entries.Select(e => e.Size), Is.All.Zero);
        Assert.That(entries.Select(e => e.MatchData), Is.All.False);
        Assert.That(entries.Select(e => e.Target), Is.EqualTo(_notifiers));
        foreach (int width in new[] { 1, 2, 4, 8 })
        {
            Write(Modern, Notify + 4, width, 1);
            Assert.That(_notifiers[1].TestAndClear(), Is.True, $"{width}");
            Assert.That(_notifiers[0].TestAndClear(), Is.False);
        }

        Assert.That(Device.Notified, Is.Empty);
        Assert.That(Proxy.DoorbellsMatched, Is.EqualTo(4));
        Assert.That(Proxy.DoorbellsByMessage, Is.EqualTo(4));
    }

    [Test]
    public void Without_fast_mmio_only_a_two_byte_doorbell_matches()
    {
        Plug(new VirtioPciOptions { FastMmio = false });
        Assign(true);
        Assert.That(Proxy.RegionIoEventFds(4).Entries[0].Size, Is.EqualTo(2));
        Write(Modern, Notify, 2, 0);
        Assert.That(_notifiers[0].TestAndClear(), Is.True);
        Write(Modern, Notify, 4, 0);
        Assert.That(_notifiers[0].TestAndClear(), Is.False);
        Assert.That(Device.Notified, Is.EqualTo(new[] { 0 }), "served without eventfd");
        Assert.That(Proxy.DoorbellsByMessage, Is.EqualTo(2));
        Assert.That(Proxy.DoorbellsMatched, Is.EqualTo(1));
    }

    [Test]
    public void Io_doorbells_match_the_queue_in_the_data()
    {
        Plug(new VirtioPciOptions { Transitional = true, ModernPioNotify = true });
        Assign(true);
        foreach ((int bar, ulong at) in new[] { (0, 16UL), (2, 0UL) })
        {
            IoEventFd<EventNotifier>[] entries = Proxy.RegionIoEventFds(bar).Entries.ToArray();
            Assert.That(entries.Select(e => e.Address), Is.All.EqualTo(at));
            Assert.That(entries.Select(e => e.Size), Is.All.EqualTo(2u));
            Assert.That(entries.Select(e => (e.MatchData, e.Data)), Is.EqualTo(new[] { (true, 0UL), (true, 1UL) }));
            Write(bar, at, 2, 1);
            Assert.That(_notifiers[1].TestAndClear(), Is.True);
            Assert.That(_notifiers[0].TestAndClear(), Is.False);
        }

        Assert.That(Device.Notified, Is.Empty);
    }

    [Test]
    public void Unassigning_takes_every_doorbell_away()
    {
        Plug(new VirtioPciOptions { Transitional = true, ModernPioNotify = true });
        Assign(true);
        Proxy.AssignIoEventFd(0, _notifiers[0], false);
        foreach (int bar in new[] { 0, 2, 4 })
        {
            Assert.That(Proxy.RegionIoEventFds(bar).Entries.Length, Is.EqualTo(1));
        }

        Write(Modern, Notify, 2, 0);
        Assert.That(Device.Notified, Is.EqualTo(new[] { 0 }));
    }

    [Test]
    public void A_failure_half_way_is_rolled_back_unseen()
    {
        Plug(new VirtioPciOptions { Transitional = true, ModernPioNotify = true });
        MemoryRegion<EventNotifier> legacy = Proxy.AddressSpace.Regions.Single(r => r.Name.Contains("legacy"));
        legacy.AddIoEventFd(new IoEventFd<EventNotifier>(16, 2, true, 0, _notifiers[0], _notifiers[0].WriteDescriptor));
        Listener listener = new();
        Proxy.AddressSpace.AddListener(listener);
        int known = listener.Events;
        Assert.That(
            () => Proxy.AssignIoEventFd(0, _notifiers[0], true),
            Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EEXIST));
        Assert.That(Proxy.RegionIoEventFds(4).Entries.Length, Is.Zero);
        Assert.That(Proxy.RegionIoEventFds(2).Entries.Length, Is.Zero);
        Assert.That(Proxy.RegionIoEventFds(0).Entries.Length, Is.EqualTo(1));
        Assert.That(listener.Events, Is.EqualTo(known));
        Proxy.AddressSpace.RemoveListener(listener);

        // And the same when something is missing on the way out.
        legacy.RemoveIoEventFd(new IoEventFd<EventNotifier>(16, 2, true, 0, _notifiers[0], _notifiers[0].WriteDescriptor));
        Assign(true);
        legacy.RemoveIoEventFd(new IoEventFd<EventNotifier>(16, 2, true, 0, _notifiers[0], _notifiers[0].WriteDescriptor));
        Assert.That(
            () => Proxy.AssignIoEventFd(0, _notifiers[0], false),
            Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.ENOENT));
        Assert.That(Proxy.RegionIoEventFds(4).Entries.Length, Is.EqualTo(2), "still there");
    }

    [Test]
    public void Several_queues_assigned_in_one_transaction_appear_together()
    {
        using (Proxy.AddressSpace.Begin())
        {
            Assign(true);
            Assert.That(Proxy.RegionIoEventFds(4).Entries.Length, Is.Zero);
        }

        Assert.That(Proxy.RegionIoEventFds(4).Entries.Length, Is.EqualTo(2));
    }

    [Test]
    public void A_notifier_made_of_a_pipe_can_ring_too()
    {
        using EventNotifier pipe = new(usePipe: true);
        Proxy.AssignIoEventFd(0, pipe, true);
        Write(Modern, Notify, 2, 0);
        Assert.That(pipe.TestAndClear(), Is.True);
        Proxy.AssignIoEventFd(0, pipe, false);
    }

    [Test]
    public void A_queue_that_does_not_exist_has_no_doorbell() =>
        Assert.That(() => Proxy.AssignIoEventFd(2, _notifiers[0], true), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void A_doorbell_allocates_nothing()
    {
        Assign(true);
        byte[] data = [1, 0];
        Proxy.WriteRegion(Modern, Notify + 4, data);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            Proxy.WriteRegion(Modern, Notify + 4, data);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    private void Assign(bool assign)
    {
        for (int i = 0; i < _notifiers.Length; i++)
        {
            Proxy.AssignIoEventFd(i, _notifiers[i], assign);
        }
    }

    private sealed class Listener : IMemoryListener<EventNotifier>
    {
        internal int Events { get; private set; }

        public void IoEventFdAdded(MemoryRegion<EventNotifier> region, in IoEventFd<EventNotifier> entry) => Events++;

        public void IoEventFdDeleted(MemoryRegion<EventNotifier> region, in IoEventFd<EventNotifier> entry) => Events++;
    }
}
