using RingCore.Aio;
using RingCore.Faults;

namespace Backend.Device;

/// <content>Faults on purpose in the used ring and the irq; reached only while the queue has <see cref="IQueueFaults"/>.</content>
internal sealed partial class VirtioBlkQueue
{
    /// <summary>By then the driver has dealt with the irq before, so that this one finds nothing new.</summary>
    private static readonly TimeSpan SpuriousDelay = TimeSpan.FromMilliseconds(1);

    private AioTimer? _spurious;

    private void ReturnThroughFaults(IQueueFaults faults, ushort head, uint written)
    {
        switch (faults.OnUsed(_queue.Owner, out ulong draw))
        {
            case UsedRingField.Id:
                _ring.PushAs(WrongHead(head, draw), head, written);
                break;
            case UsedRingField.Length:
                _ring.Push(head, (draw & 1) == 0 ? uint.MaxValue : written + 1 + (uint)(draw >> 40));
                break;
            case UsedRingField.Index:
                _ring.Push(head, written);
                _ring.PublishWrongIndex((ushort)(1 + (draw % _queue.Size)));
                break;
            default:
                _ring.Push(head, written);
                break;
        }
    }

    /// <summary>Another descriptor of the table, or one past its end.</summary>
    private ushort WrongHead(ushort head, ulong draw)
    {
        ushort size = _queue.Size;
        ushort other = (ushort)(draw >> 8);
        return (draw & 1) == 0
            ? (ushort)((head + 1 + (other % (size - 1))) % size)
            : (ushort)(size + (other % (ushort.MaxValue - size)));
    }

    private void NotifyThroughFaults(IQueueFaults faults)
    {
        switch (faults.OnIrq(_queue.Owner))
        {
            case IrqFault.Lost:
                return;
            case IrqFault.Spurious:
                _spurious ??= _context.CreateTimer(() => _transport.NotifyQueue(Index));
                _spurious.Arm(SpuriousDelay);
                break;
        }

        _transport.NotifyQueue(Index);
    }
}
