using RingCore.Aio;

namespace Backend.Device;

/// <summary>
/// Batched guest notifications for one context, on when EVENT_IDX was not negotiated: a bit per queue with completed
/// requests (<c>batch_notify_vqs</c>), and one bottom half (<c>notify_guest_bh</c>) that raises all pending irqs. With
/// EVENT_IDX the driver itself says when it wants an interrupt, and this would only delay it. Context's thread only.
/// </summary>
internal sealed class GuestNotifyBatch : IDisposable
{
    private readonly ulong[] _batchNotifyVqs = new ulong[(VirtioBlkConfig.MaxVirtqueues + 63) / 64];
    private readonly VirtioBlkQueue?[] _queues = new VirtioBlkQueue?[VirtioBlkConfig.MaxVirtqueues];
    private readonly BottomHalf _notifyGuestBh;

    public GuestNotifyBatch(AioContext context) => _notifyGuestBh = context.CreateBottomHalf(NotifyGuest, "notify_guest_bh");

    /// <summary>Remembers that the queue has something to tell its driver.</summary>
    public void Add(VirtioBlkQueue queue)
    {
        int index = queue.Index;
        _queues[index] = queue;
        _batchNotifyVqs[index >> 6] |= 1UL << (index & 63);
        _notifyGuestBh.Schedule();
    }

    /// <summary>Raises what is pending now; before a queue comes to rest.</summary>
    public void NotifyGuest()
    {
        for (int word = 0; word < _batchNotifyVqs.Length; word++)
        {
            ulong bits = _batchNotifyVqs[word];
            _batchNotifyVqs[word] = 0;
            while (bits != 0)
            {
                int bit = System.Numerics.BitOperations.TrailingZeroCount(bits);
                bits &= bits - 1;
                _queues[(word << 6) + bit]!.RaiseIrqIfWanted();
            }
        }
    }

    public void Dispose() => _notifyGuestBh.Dispose();
}
