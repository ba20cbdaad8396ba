using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Driver;

/// <content>Resetting a device that is in service, and starting it anew as it was.</content>
public sealed unsafe partial class BlkDriver
{
    /// <summary>Resets that were survived: <see cref="Reset"/> and <see cref="Restart"/>.</summary>
    public int Restarts { get; private set; }

    /// <summary>
    /// Resets the device. On return it touches no memory of ours any more, and has forgotten queues and interrupts (virtio 1.3
    /// §2.4). Every queue must be held (<see cref="BlkQueue.Hold"/>): nobody rings while the doorbells go away.
    /// </summary>
    /// <exception cref="IOException">The device does not come back from it: it is lost, and will not be asked again.</exception>
    public void Reset()
    {
        try
        {
            _transport.Status = 0;
        }
        catch
        {
            _isLost = true;
            throw;
        }
    }

    /// <summary>
    /// After <see cref="Reset"/> and <see cref="BlkQueue.ClearRing"/> of every queue: negotiates the same features, gives the
    /// device the same memory, queues and interrupts, and sets DRIVER_OK. Each queue goes on by
    /// <see cref="BlkQueue.Resume"/> with its new <see cref="Doorbells"/>.
    /// </summary>
    /// <exception cref="IOException">It is not the disk any more that it was, or the device refuses.</exception>
    public void Restart()
    {
        Negotiate(offered => (offered & Features) == Features
            ? Features
            : throw new ProtocolException($"after its reset the device lacks the features {Features & ~offered}"));
        RequireSame(_transport.ReadConfig());
        for (int i = 0; i < VirtqueueCount; i++)
        {
            if (i >= _transport.QueueCount || _transport.MaxQueueSize(i) < QueueSize)
            {
                throw new ProtocolException($"after its reset the device has no queue {i} of {QueueSize} entries");
            }
        }

        PutIntoService();
        Restarts++;
    }

    /// <summary>
    /// The device is given up while it may still have requests. Their slots will receive other requests' data, on the way to
    /// their I/O errors; a device that carries an old request out after all must not find that there.
    /// </summary>
    public void Sever() => _memory.Sever();

    /// <summary>How to ring a queue, and its twin, from now on; after the start and each <see cref="Restart"/>.</summary>
    public IReadOnlyList<Action> Doorbells(int index) =>
        HasTwins ? [_transport.Doorbell(index), _transport.Doorbell(TwinOf(index))] : [_transport.Doorbell(index)];

    private void RequireSame(in BlkConfig now)
    {
        if (now.Capacity != Config.Capacity)
        {
            throw new ProtocolException($"after its reset the disk has {now.Capacity} sectors, before it had {Config.Capacity}");
        }

        bool discards = Features.HasFlag(VirtioFeatures.BlkDiscard);
        bool zeroes = Features.HasFlag(VirtioFeatures.BlkWriteZeroes);
        if ((Features.HasFlag(VirtioFeatures.BlkBlockSize) && now.BlockSize != Config.BlockSize)
            || (discards && now.MaxDiscardSectors < Config.MaxDiscardSectors)
            || TransferLimits.Of(Features, now, QueueSize) != Limits
            || (zeroes && now.MaxWriteZeroesSectors < Config.MaxWriteZeroesSectors))
        {
            throw new ProtocolException("after its reset the disk's limits are not what they were");
        }
    }
}
