using System.Text;
using NLog;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>What is wanted of the device.</summary>
public sealed record BlkDriverOptions
{
    /// <summary>Queues wanted; the device may have fewer.</summary>
    public required int Queues { get; init; }

    /// <summary>A power of two; the device may allow less.</summary>
    public ushort QueueSize { get; init; } = 256;

    /// <summary>Most slots of a queue.</summary>
    public int MaxSlots { get; init; } = 64;
}

/// <summary>
/// Brings a virtio block device into service as virtio 1.3 §3.1 says, and holds its queues' memory. The main loop's thread,
/// but for the <see cref="BlkQueue"/>s that it creates.
/// </summary>
public sealed unsafe partial class BlkDriver : IDisposable
{
    private const VirtioFeatures Understood =
        VirtioFeatures.Version1 | VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors
        | VirtioFeatures.BlkSizeMax | VirtioFeatures.BlkSegMax | VirtioFeatures.BlkReadOnly | VirtioFeatures.BlkBlockSize
        | VirtioFeatures.BlkFlush | VirtioFeatures.BlkTopology | VirtioFeatures.BlkConfigWce | VirtioFeatures.BlkMultiQueue
        | VirtioFeatures.BlkDiscard | VirtioFeatures.BlkWriteZeroes;

    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly IDriverTransport _transport;
    private readonly EventNotifier[] _irqs;
    private readonly EventNotifier _configIrq;
    private readonly DmaMemory _memory;
    private readonly long _twinsOffset;
    private readonly QueueMemory[] _queueMemory;
    private readonly BlkQueue?[] _queues;
    private bool _isLost;

    /// <summary>Resets the device, negotiates, sets up every queue, and sets DRIVER_OK. No request is sent yet.</summary>
    /// <param name="transport">Belongs to the driver from then on; it stays the caller's if the constructor throws.</param>
    /// <exception cref="ProtocolException">The device is not one that this driver can drive.</exception>
    public BlkDriver(IDriverTransport transport, BlkDriverOptions options)
    {
        _transport = transport;
        transport.Status = 0;
        Features = Negotiate(offered => offered & Understood);
        Config = transport.ReadConfig();
        int offered = DeviceQueues();
        int own = transport.FirstTwin is > 0 and int first && first <= offered / 2 ? first : offered;
        QueueCount = Math.Min(options.Queues, own);
        HasTwins = own < offered && QueueCount == own;
        QueueSize = AgreeOnQueueSize(options.QueueSize);
        Limits = TransferLimits.Of(Features, Config, QueueSize);
        SlotCount = Math.Min(options.MaxSlots, BlkQueue.MaxSlots(QueueSize, Features));
        _queueMemory = new QueueMemory[QueueCount];
        _queues = new BlkQueue?[QueueCount];
        _irqs = new EventNotifier[QueueCount];
        _twinsOffset = QueueCount * QueueMemory.BytesFor(QueueSize, SlotCount);
        _memory = new DmaMemory(_twinsOffset + (HasTwins ? QueueCount * RingMemory.BytesFor(QueueSize) : 0));
        try
        {
            _configIrq = new EventNotifier();
            for (int i = 0; i < QueueCount; i++)
            {
                _queueMemory[i] = new QueueMemory(_memory, i, QueueSize, SlotCount);
                _irqs[i] = new EventNotifier();
            }

            PutIntoService();
        }
        catch
        {
            LetGo();
            throw;
        }

        Log.Info("{0}: {1} queues{2} of {3}, {4} slots each, features {5}",
            transport.Description, QueueCount, HasTwins ? " with twins" : "", QueueSize, SlotCount, Features);
    }

    /// <summary>What was negotiated.</summary>
    public VirtioFeatures Features { get; }

    public BlkConfig Config { get; }

    public int QueueCount { get; }

    /// <summary>
    /// The device has a second virtqueue for each queue, which another of its threads serves, and which fires the same irq: see
    /// <see cref="BlkQueue.UsesTwin"/>.
    /// </summary>
    public bool HasTwins { get; }

    /// <summary>The queues' own, and then their twins.</summary>
    public int VirtqueueCount => HasTwins ? 2 * QueueCount : QueueCount;

    public ushort QueueSize { get; }

    /// <summary>What one request may carry.</summary>
    public TransferLimits Limits { get; }

    /// <summary>Slots of each queue.</summary>
    public int SlotCount { get; }

    /// <summary>Fires when the device's configuration or status changes.</summary>
    public EventNotifier ConfigIrq => _configIrq;

    /// <summary>The device has met an error that only a reset mends. Asks the device.</summary>
    public bool NeedsReset => (_transport.Status & DeviceStatus.NeedsReset) != 0;

    private static byte RunningStatus =>
        DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk | DeviceStatus.DriverOk;

    /// <summary>Fires when the device has used something of queue <paramref name="index"/>.</summary>
    public EventNotifier Irq(int index) => _irqs[index];

    /// <summary>Creates the driver's side of a queue; once for each.</summary>
    public BlkQueue CreateQueue(int index, IBlkCompletion completion) =>
        _queues[index] = new(
            _memory, _queueMemory[index], QueueSize, Features, Limits, Doorbells(index), completion, HasTwins ? TwinMemory(index) : null);

    /// <summary>The virtqueue that is a queue's twin; only where there are any.</summary>
    public int TwinOf(int index) => QueueCount + index;

    /// <summary>Asks the device for its serial; see <see cref="RunAlone"/>. Empty when it has none to give: a disk serves without.</summary>
    public string ReadSerial(BlkQueue queue, int index)
    {
        string serial = "";
        try
        {
            RunAlone(queue, index, queue.GetId, slot =>
            {
                // IdLength bytes at the payload, which is far larger.
                ReadOnlySpan<byte> id = new(queue.Payload(slot), BlkConfig.IdLength);
                int end = id.IndexOf((byte)0);
                serial = Encoding.ASCII.GetString(end < 0 ? id : id[..end]);
            });
        }
        catch (ProtocolException e) when (e.Errno == Errno.EIO)
        {
            Log.Warn("no serial: {0}", e.Message);
        }

        return serial;
    }

    /// <summary>Makes all that was written stable; see <see cref="RunAlone"/>.</summary>
    public void Flush(BlkQueue queue, int index)
    {
        if (Features.HasFlag(VirtioFeatures.BlkFlush))
        {
            RunAlone(queue, index, queue.Flush, _ => { });
        }
    }

    /// <summary>Resets the device if it still answers, and lets go of the memory. The queues must be idle.</summary>
    public void Dispose()
    {
        try
        {
            if (!_isLost)
            {
                Reset();
            }
        }
        catch (IOException e)
        {
            Log.Info("the device could not be reset at the end: {0}", e.Message);
        }

        _transport.Dispose();
        LetGo();
    }

    /// <summary>Frees what the driver has made itself, however much of it there is.</summary>
    private void LetGo()
    {
        _memory.Dispose();
        _configIrq?.Dispose();
        foreach (EventNotifier? irq in _irqs)
        {
            irq?.Dispose();
        }
    }

    /// <summary>From the reset to FEATURES_OK (§3.1.1, steps 2 to 6).</summary>
    private VirtioFeatures Negotiate(Func<VirtioFeatures, VirtioFeatures> choose)
    {
        _transport.Status = DeviceStatus.Acknowledge;
        _transport.Status = DeviceStatus.Acknowledge | DeviceStatus.Driver;
        VirtioFeatures offered = _transport.OfferedFeatures;
        if ((offered & VirtioFeatures.Version1) == 0)
        {
            throw new ProtocolException("the device is a legacy one (no VERSION_1)");
        }

        VirtioFeatures features = choose(offered);
        _transport.AcceptFeatures(features);
        byte status = DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk;
        _transport.Status = status;
        if ((_transport.Status & DeviceStatus.FeaturesOk) == 0)
        {
            throw new ProtocolException($"the device does not accept the features {features}");
        }

        return features;
    }

    /// <summary>From FEATURES_OK to DRIVER_OK (§3.1.1, steps 7 and 8).</summary>
    private void PutIntoService()
    {
        _transport.MapMemory(_memory);
        for (int i = 0; i < VirtqueueCount; i++)
        {
            RingMemory ring = i < QueueCount ? _queueMemory[i].Ring : TwinMemory(i - QueueCount);
            _transport.EnableQueue(new QueueSetup(
                i,
                QueueSize,
                _memory.IovaOf(ring.DescriptorTable),
                _memory.IovaOf(ring.AvailableRing),
                _memory.IovaOf(ring.UsedRing)));
        }

        _transport.BindInterrupts(_configIrq, HasTwins ? [.. _irqs, .. _irqs] : _irqs);
        _transport.Status = RunningStatus;
        if ((_transport.Status & DeviceStatus.NeedsReset) != 0)
        {
            throw new ProtocolException("the device asks for a reset right after its start");
        }
    }

    private RingMemory TwinMemory(int index) => new(_memory, _twinsOffset + (index * RingMemory.BytesFor(QueueSize)), QueueSize);

    private int DeviceQueues()
    {
        int configured = Features.HasFlag(VirtioFeatures.BlkMultiQueue) ? Config.QueueCount : 1;
        int queues = Math.Min(configured, _transport.QueueCount);
        return queues > 0 ? queues : throw new ProtocolException("the device has no queue");
    }

    private ushort AgreeOnQueueSize(ushort wanted)
    {
        ushort size = wanted;
        for (int i = 0; i < VirtqueueCount; i++)
        {
            size = Math.Min(size, _transport.MaxQueueSize(i));
        }

        return SplitRingLayout.IsValidQueueSize(size) && BlkQueue.MaxSlots(size, Features) > 0
            ? size
            : throw new ProtocolException($"the device allows a queue of {size} entries, which is too small or not a power of two");
    }
}
