using RingCore.Aio;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>
/// One queue of a device: the registers that the driver programs (virtio 1.3 §4.1.4.3), the ring once it runs, and its
/// doorbell. The registers belong to the server's thread; the ring belongs to the context that the host notifier is
/// attached to.
/// </summary>
public sealed class VirtQueue(int index, ushort maxSize, int? twinOf = null)
{
    /// <summary>MSI-X vector number that means none.</summary>
    public const ushort NoVector = 0xFFFF;

    private Action? _serve;
    private volatile ushort _vector = NoVector;

    public int Index { get; } = index;

    /// <summary>The queue of which this one is the twin (<see cref="VirtioBlkConfig.HasTwins"/>); null when it is none.</summary>
    public int? TwinOf { get; } = twinOf;

    /// <summary>The queue whose requests come here, to which fault rules and records refer: a twin's is that of which it is the twin.</summary>
    public int Owner => TwinOf ?? Index;

    /// <summary>Largest size offered: a power of two.</summary>
    public ushort MaxSize { get; } = maxSize;

    /// <summary>Size chosen by the driver.</summary>
    public ushort Size { get; set; } = maxSize;

    /// <summary>Guest addresses of the descriptor table, the available ring and the used ring.</summary>
    public ulong DescriptorTable { get; set; }

    public ulong AvailableRing { get; set; }

    public ulong UsedRing { get; set; }

    /// <summary>The driver enabled the queue (queue_enable reads 1).</summary>
    public bool Enabled { get; set; }

    /// <summary>MSI-X vector for used-buffer notifications, or <see cref="NoVector"/>. Any thread may read it.</summary>
    public ushort Vector
    {
        get => _vector; // partner: the server's write, while the queue's thread may be raising an irq
        set => _vector = value;
    }

    /// <summary>
    /// A ring that is taken over while in use: the next chain to take (the vring base of vhost-user). Null: a new ring, which
    /// begins at zero.
    /// </summary>
    public ushort? Base { get; set; }

    /// <summary>Where to note what is in flight; null: nowhere. Only for a ring with a <see cref="Base"/>.</summary>
    public InflightRegion? Inflight { get; set; }

    /// <summary>The ring, from the start of the device to its reset.</summary>
    public DeviceQueue? Ring { get; set; }

    /// <summary>The doorbell's notifier while one is assigned (<see cref="VirtioBus.SetHostNotifier"/>).</summary>
    public EventNotifier? HostNotifier { get; set; }

    /// <summary>Faults on purpose; null when there are none. Changed only while the queue is quiet.</summary>
    public IQueueFaults? Faults { get; set; }

    /// <summary>The driver's kicks that arrived through the host notifier.</summary>
    public long KicksReceived { get; private set; }

    /// <summary>
    /// Hooks the doorbell to <paramref name="context"/>: <paramref name="serve"/> runs there when the driver rings, or when
    /// busy-polling finds that <paramref name="hasWork"/>. While polling, the driver is asked not to ring; after it,
    /// notifications are on again and the ring is looked at once more. Runs on the context's thread.
    /// </summary>
    public void AttachHostNotifier(AioContext context, Action serve, Func<bool> hasWork)
    {
        EventNotifier notifier = HostNotifier ?? throw new InvalidOperationException("no host notifier is assigned");
        DeviceQueue ring = Ring ?? throw new InvalidOperationException("the queue has no ring");
        _serve = serve;
        context.SetEventNotifier(notifier, new AioHandler
        {
            IsExternal = true,
            Notified = OnKick,
            Poll = hasWork,
            PollReady = serve,
            PollBegin = ring.DisableNotifications,

            // Chains that slipped in while notifications were off are found by the Poll that follows PollEnd.
            PollEnd = () => ring.EnableNotifications(),
        });
    }

    /// <summary>
    /// Unhooks the doorbell, and serves the queue once more if it had been rung: no kick is lost. It may be one that was served
    /// already (<see cref="AioHandler.Notified"/>), so it is not counted. Same thread as above.
    /// </summary>
    public void DetachHostNotifier(AioContext context)
    {
        EventNotifier notifier = HostNotifier ?? throw new InvalidOperationException("no host notifier is assigned");
        context.SetEventNotifier(notifier, null);
        if (notifier.TestAndClear())
        {
            _serve?.Invoke();
        }

        _serve = null;
    }

    /// <summary>Back to the state after power-on (virtio 1.3 §4.1.4.3.1).</summary>
    public void Reset()
    {
        Size = MaxSize;
        DescriptorTable = 0;
        AvailableRing = 0;
        UsedRing = 0;
        Enabled = false;
        Vector = NoVector;
        Base = null;
        Inflight = null;
        Ring = null;
    }

    private void OnKick()
    {
        KicksReceived++;
        if (Faults?.LosesKick(Owner) != true)
        {
            _serve?.Invoke();
        }
    }
}
