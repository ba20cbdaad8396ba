using Backend.Device;
using NUnit.Framework;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Device;

public class PciInterruptTests : PciFixture
{
    private readonly List<EventFd> _clients = [];

    [TearDown]
    public void CloseClients()
    {
        Device.OnSynchronize = null;
        Proxy.Interrupts.Clear();
        _clients.ForEach(c => c.Dispose());
        _clients.Clear();
    }

    [Test]
    public void A_queue_raises_its_vector_and_the_configuration_its_own()
    {
        EventFd zero = Bind(VfioPciIrq.Msix, 0);
        EventFd one = Bind(VfioPciIrq.Msix, 1);
        Write(Modern, 16, 2, 0);
        Write(Modern, 26, 2, 1);
        Proxy.NotifyQueue(0);
        Assert.That(one.TestAndClear(), Is.True);
        Assert.That(zero.TestAndClear(), Is.False);
        Proxy.NotifyConfig();
        Assert.That(zero.TestAndClear(), Is.True);
        Assert.That(one.TestAndClear(), Is.False);
    }

    [Test]
    public void A_queue_without_vector_raises_nothing_while_msix_is_in_use()
    {
        EventFd intx = Bind(VfioPciIrq.Intx, 0);
        EventFd zero = Bind(VfioPciIrq.Msix, 0);
        Proxy.NotifyQueue(0);
        Proxy.NotifyConfig();
        Assert.That(intx.TestAndClear() || zero.TestAndClear(), Is.False);
        Assert.That(Read(Modern, 0x1000, 1), Is.Zero);
    }

    [Test]
    public void An_unbound_vector_stays_pending_until_it_is_bound()
    {
        Proxy.Interrupts.Assign(VfioPciIrq.Msix, 0, [null]);
        Write(Modern, 26, 2, 2);
        Proxy.NotifyQueue(0);
        Assert.That(Read(1, 0x800, 8), Is.EqualTo(4));
        EventFd two = Bind(VfioPciIrq.Msix, 2);
        Assert.That(two.TestAndClear(), Is.True);
        Assert.That(Read(1, 0x800, 8), Is.Zero);
    }

    [Test]
    public void A_masked_vector_stays_pending_until_it_is_unmasked()
    {
        EventFd one = Bind(VfioPciIrq.Msix, 1);
        Write(Modern, 26, 2, 1);
        Proxy.Interrupts.Line(VfioPciIrq.Msix, 1).SetMasked(true);
        Proxy.NotifyQueue(0);
        Proxy.NotifyQueue(0);
        Assert.That(one.TestAndClear(), Is.False);
        Assert.That(Read(1, 0x800, 4), Is.EqualTo(2));
        Proxy.Interrupts.Line(VfioPciIrq.Msix, 1).SetMasked(false);
        Assert.That(one.TestAndClear(), Is.True);
        Assert.That(Read(1, 0x800, 4), Is.Zero);
    }

    [Test]
    public void Replacing_an_eventfd_of_a_masked_vector_keeps_its_pending_bit()
    {
        EventFd old = Bind(VfioPciIrq.Msix, 1);
        Write(Modern, 26, 2, 1);
        Proxy.Interrupts.Line(VfioPciIrq.Msix, 1).SetMasked(true);
        Proxy.NotifyQueue(0);
        EventFd replacement = Bind(VfioPciIrq.Msix, 1);
        Assert.That(replacement.TestAndClear() || old.TestAndClear(), Is.False);
        Proxy.Interrupts.Line(VfioPciIrq.Msix, 1).SetMasked(false);
        Assert.That(replacement.TestAndClear(), Is.True);
        Assert.That(old.TestAndClear(), Is.False);
    }

    [Test]
    public void A_replaced_eventfd_is_closed_only_after_a_grace_period()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket witness = b;
        Proxy.Interrupts.Assign(VfioPciIrq.Msix, 1, [new EventFd(a.Descriptor.Duplicate())]);
        a.Dispose();
        bool openWhileWaiting = false;
        Device.OnSynchronize = () => openWhileWaiting = witness.Receive(new byte[8], null, out _) == -Errno.EAGAIN;
        Bind(VfioPciIrq.Msix, 1);
        Assert.That(Device.Synchronizations, Is.EqualTo(1));
        Assert.That(openWhileWaiting, Is.True);
        Assert.That(witness.Receive(new byte[8], null, out _), Is.Zero, "closed now");
    }

    [Test]
    public void An_edge_that_the_client_has_not_seen_moves_on_to_the_new_eventfd()
    {
        Bind(VfioPciIrq.Msix, 1);
        Write(Modern, 26, 2, 1);
        Proxy.NotifyQueue(0);
        EventFd replacement = Bind(VfioPciIrq.Msix, 1);
        Assert.That(replacement.TestAndClear(), Is.True);
    }

    [Test]
    public void An_edge_that_comes_in_during_the_grace_period_moves_on_too()
    {
        EventFd old = Bind(VfioPciIrq.Msix, 1);
        Device.OnSynchronize = () => old.Signal(); // as a thread does that has looked at the binding before
        EventFd replacement = Bind(VfioPciIrq.Msix, 1);
        Assert.That(replacement.TestAndClear(), Is.True);
    }

    [Test]
    public void Disabling_unbinds_and_unmasks_every_vector()
    {
        EventFd one = Bind(VfioPciIrq.Msix, 1);
        Write(Modern, 26, 2, 1);
        Proxy.Interrupts.Line(VfioPciIrq.Msix, 1).SetMasked(true);
        Proxy.Interrupts.Disable(VfioPciIrq.Msix);
        Assert.That(Proxy.Interrupts.Line(VfioPciIrq.Msix, 1).IsMasked, Is.False);
        Assert.That(Proxy.Interrupts.IsMsixActive, Is.False);
        Proxy.NotifyQueue(0);
        Assert.That(one.TestAndClear(), Is.False);
        Assert.That(Read(Modern, 0x1000, 1), Is.EqualTo(1), "INTx is in use again");
    }

    [Test]
    public void Msix_enabled_in_configuration_space_alone_is_in_use_too()
    {
        EventFd intx = Bind(VfioPciIrq.Intx, 0);
        WriteConfig(Capabilities(0x11).Single() + 2, 2, 0x8000);
        Write(Modern, 26, 2, 1);
        Proxy.NotifyQueue(0);
        Assert.That(intx.TestAndClear(), Is.False);
        Assert.That(Read(1, 0x800, 4), Is.EqualTo(2));
    }

    [Test]
    public void Intx_rises_once_and_falls_when_the_ISR_is_read()
    {
        EventFd intx = Bind(VfioPciIrq.Intx, 0);
        Proxy.NotifyQueue(0);
        Assert.That(intx.TestAndClear(), Is.True);
        Assert.That(ReadConfig(0x06, 2) & 8, Is.EqualTo(8), "interrupt status");
        Proxy.NotifyQueue(1);
        Proxy.NotifyConfig();
        Assert.That(intx.TestAndClear(), Is.False, "the level is high already");
        Assert.That(Read(Modern, 0x1000, 1), Is.EqualTo(3));
        Assert.That(Read(Modern, 0x1000, 1), Is.Zero, "reading clears");
        Assert.That(ReadConfig(0x06, 2) & 8, Is.Zero);
        Proxy.NotifyQueue(0);
        Assert.That(intx.TestAndClear(), Is.True);
    }

    [Test]
    public void An_intx_that_is_still_high_is_signalled_again_when_unmasked_or_ended()
    {
        EventFd intx = Bind(VfioPciIrq.Intx, 0);
        Proxy.NotifyQueue(0);
        intx.TestAndClear();
        Proxy.Interrupts.Intx.SetMasked(true);
        Assert.That(intx.TestAndClear(), Is.False);
        Proxy.Interrupts.Intx.SetMasked(false);
        Assert.That(intx.TestAndClear(), Is.True);
        Proxy.Interrupts.Intx.EndOfInterrupt();
        Assert.That(intx.TestAndClear(), Is.True);
        Read(Modern, 0x1000, 1);
        Proxy.Interrupts.Intx.EndOfInterrupt();
        Assert.That(intx.TestAndClear(), Is.False);
    }

    [Test]
    public void A_masked_or_disabled_intx_is_held_back()
    {
        EventFd intx = Bind(VfioPciIrq.Intx, 0);
        WriteConfig(0x04, 2, 0x400);
        Proxy.NotifyQueue(0);
        Assert.That(intx.TestAndClear(), Is.False);
        Assert.That(ReadConfig(0x06, 2) & 8, Is.EqualTo(8), "the status bit shows it all the same");
        WriteConfig(0x04, 2, 0);
        Assert.That(intx.TestAndClear(), Is.True);
        Read(Modern, 0x1000, 1);
        Proxy.Interrupts.Intx.SetMasked(true);
        Proxy.NotifyQueue(0);
        Assert.That(intx.TestAndClear(), Is.False);
    }

    [Test]
    public void An_intx_that_was_raised_before_it_was_bound_is_delivered_then()
    {
        Proxy.NotifyQueue(0);
        Assert.That(Bind(VfioPciIrq.Intx, 0).TestAndClear(), Is.True);
    }

    [Test]
    public void Intx_and_msix_have_eventfds_of_their_own()
    {
        EventFd intx = Bind(VfioPciIrq.Intx, 0);
        EventFd zero = Bind(VfioPciIrq.Msix, 0);
        Write(Modern, 26, 2, 0);
        Proxy.NotifyQueue(0);
        Assert.That(zero.TestAndClear(), Is.True);
        Proxy.Interrupts.Disable(VfioPciIrq.Msix);
        Proxy.NotifyQueue(0);
        Assert.That(intx.TestAndClear(), Is.True);
        Assert.That(zero.TestAndClear(), Is.False);
    }

    [Test]
    public void A_device_reset_forgets_what_is_pending_and_keeps_the_eventfds()
    {
        EventFd one = Bind(VfioPciIrq.Msix, 1);
        Write(Modern, 26, 2, 1);
        Proxy.Interrupts.Line(VfioPciIrq.Msix, 1).SetMasked(true);
        Proxy.NotifyQueue(0);
        Proxy.Reset();
        Assert.That(Read(1, 0x800, 4), Is.Zero);
        Assert.That(one.TestAndClear(), Is.False);
        Write(Modern, 26, 2, 1);
        Proxy.NotifyQueue(0);
        Assert.That(one.TestAndClear(), Is.True);
    }

    [Test]
    public void The_table_is_storage_and_the_pending_bits_are_read_only()
    {
        Write(1, 0x10, 4, 0xFEE00000);
        Write(1, 0x18, 8, 0x1_0000_4021);
        Assert.That(Read(1, 0x10, 4), Is.EqualTo(0xFEE00000));
        Assert.That(Read(1, 0x1C, 4), Is.EqualTo(1));
        Write(1, 0x800, 4, 0xFFFFFFFF);
        Assert.That(Read(1, 0x800, 4), Is.Zero);
        Write(1, 0x30, 4, 0xFFFFFFFF);
        Assert.That(Read(1, 0x30, 4), Is.Zero, "between table and pending bits");
        Assert.That(TryRead(1, 0x10, 2), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryRead(1, 0x12, 4), Is.EqualTo(Errno.EINVAL));
        Assert.That(TryWrite(1, 0x10, 1, 0), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Guest_notifiers_are_set_for_queues_that_exist()
    {
        Assert.That(Proxy.HasGuestNotifiers && Proxy.HasIoEventFds, Is.True);
        Proxy.SetGuestNotifiers(2, true);
        Assert.That(Proxy.GuestNotifierCount, Is.EqualTo(2));
        Proxy.SetGuestNotifiers(2, false);
        Assert.That(Proxy.GuestNotifierCount, Is.Zero);
        Assert.That(() => Proxy.SetGuestNotifiers(3, true), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Raising_allocates_nothing()
    {
        Bind(VfioPciIrq.Msix, 1);
        Write(Modern, 26, 2, 1);
        Proxy.NotifyQueue(0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            Proxy.NotifyQueue(0);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void No_edge_is_lost_while_a_vector_is_masked_and_rebound_under_fire()
    {
        const int Raises = 20_000;
        Write(Modern, 26, 2, 1);
        GuestNotifier line = (GuestNotifier)Proxy.Interrupts.Line(VfioPciIrq.Msix, 1);
        using EventFd client = new();
        int seen = 0;
        int raised = 0;
        Thread raiser = new(() =>
        {
            for (int i = 1; i <= Raises; i++)
            {
                // One edge at a time: the next is raised only when the client has seen this one.
                Volatile.Write(ref raised, i);
                line.Raise();
                SpinWait.SpinUntil(() => Volatile.Read(ref seen) >= i || Volatile.Read(ref seen) < 0, TimeSpan.FromSeconds(30));
            }
        });
        raiser.Start();
        EventFd bound = new(client.Descriptor.Duplicate());
        line.Assign(bound);
        int step = 0;
        long deadline = Environment.TickCount64 + 60_000;
        while (seen < Raises && Environment.TickCount64 < deadline)
        {
            line.SetMasked(step % 3 == 0);
            if (step % 5 == 0)
            {
                line.Assign(null);
                line.Assign(bound);
            }

            line.SetMasked(false);
            step++;
            if (client.TestAndClear())
            {
                Volatile.Write(ref seen, Volatile.Read(ref raised));
            }
        }

        bool all = seen == Raises;
        Volatile.Write(ref seen, all ? Raises : -1);
        raiser.Join();
        line.Assign(null);
        bound.Dispose();
        Assert.That(all, Is.True);
    }

    /// <summary>Binds a line to an eventfd and returns the client's end of it.</summary>
    private EventFd Bind(int index, int vector)
    {
        EventFd client = new();
        _clients.Add(client);
        Proxy.Interrupts.Assign(index, vector, [new EventFd(client.Descriptor.Duplicate())]);
        return client;
    }
}
