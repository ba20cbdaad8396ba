using RingCore.Aio;
using RingCore.Memory;
using static Backend.Device.VirtioPciLayout;

namespace Backend.Device;

/// <summary>Binds doorbells to event notifiers, so that a ring reaches the queue's thread without the server's.</summary>
public sealed partial class VirtioPciProxy
{
    /// <inheritdoc/>
    public EventNotifier? TakeHostNotifier(int index) => null;

    /// <inheritdoc/>
    public void AssignIoEventFd(int index, EventNotifier notifier, bool assign)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)_queues.Length);
        (MemoryRegion<EventNotifier> Region, IoEventFd<EventNotifier> Entry)[] doorbells = [.. DoorbellsOf(index, notifier)];
        using MemoryTransaction<EventNotifier> transaction = AddressSpace.Begin();
        int done = 0;
        try
        {
            for (; done < doorbells.Length; done++)
            {
                Change(doorbells[done].Region, doorbells[done].Entry, assign);
            }
        }
        catch
        {
            // Undone before the transaction ends, so nobody ever sees half of it.
            while (--done >= 0)
            {
                Change(doorbells[done].Region, doorbells[done].Entry, !assign);
            }

            throw;
        }
    }

    /// <summary>Every address at which the driver may ring a queue, as far as this device offers them.</summary>
    private IEnumerable<(MemoryRegion<EventNotifier> Region, IoEventFd<EventNotifier> Entry)> DoorbellsOf(
        int index, EventNotifier notifier)
    {
        // Modern: queue_notify_off is the queue's index; its address is its own, so the value does not matter.
        ulong address = NotifyArea + ((ulong)index * NotifyMultiplier);
        yield return (_regions[ModernBar]!, Entry(address, _options.FastMmio ? 0u : 2u, false));
        if (_options.ModernPioNotify)
        {
            yield return (_regions[PioNotifyBar]!, Entry(0, 2, true));
        }

        if (_options.Transitional)
        {
            yield return (_regions[LegacyBar]!, Entry(Legacy.QueueNotify, 2, true));
        }

        IoEventFd<EventNotifier> Entry(ulong at, uint size, bool matchData) =>
            new(at, size, matchData, (ulong)index, notifier, notifier.WriteDescriptor);
    }

    private static void Change(MemoryRegion<EventNotifier> region, in IoEventFd<EventNotifier> entry, bool add)
    {
        if (add)
        {
            region.AddIoEventFd(entry);
        }
        else
        {
            region.RemoveIoEventFd(entry);
        }
    }
}
