using FuseFront.Driver;
using FuseFront.Fuse;
using NLog;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <summary>
/// One path through the front: a FUSE channel, its thread, and a virtqueue (with its twin, if it has one). Nothing here is
/// shared with another queue but the <see cref="RangeGate"/>. <c>.Recovery</c> has what it does while the device is reset,
/// <c>.Placement</c> where its threads run.
/// </summary>
internal sealed partial class FrontQueue : IPlacedQueue, IDisposable
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly IoThread _thread;
    private readonly EventNotifier _irq;
    private readonly IQueueTrouble _trouble;
    private QueuePlacement? _placement;
    private readonly BottomHalf _grantedBh;
    private readonly int[] _granted; // slots; under its own lock, filled by whichever thread makes room
    private readonly int[] _grantedNow; // the queue's thread only
    private int _grantedCount;
    private bool _isDisposed;

    /// <param name="trouble">Hears when the device must be reset.</param>
    public FrontQueue(
        int index, BlkDriver driver, DiskGeometry disk, RangeGate gate, AioContextOptions contextOptions, IQueueTrouble trouble)
    {
        Index = index;
        _irq = driver.Irq(index);
        _twin = driver.TwinOf(index);
        _trouble = trouble;
        Disk = new DiskQueue(disk, index, driver.SlotCount, gate);
        Driver = driver.CreateQueue(index, Disk);
        Slots = new SlotPool(Driver, driver.SlotCount);
        _thread = new IoThread(contextOptions);
        _granted = new int[driver.SlotCount];
        _grantedNow = new int[driver.SlotCount];
        _grantedBh = Context.CreateBottomHalf(OnGranted, "granted");
    }

    public int Index { get; }

    public BlkQueue Driver { get; }

    public DiskQueue Disk { get; }

    public SlotPool Slots { get; }

    public FuseChannel? Channel { get; private set; }

    public AioContext Context => _thread.Context;

    /// <summary>Where the queue's threads have been placed, and how often they moved; null without placement.</summary>
    public QueuePlacement? Placement => _placement;

    /// <summary>Connects the queue to its channel and begins to serve.</summary>
    public void Start(FuseSession session)
    {
        Channel = session.AddChannel(Context, Slots, Disk);
        Disk.Connect(Driver, Channel);
        Context.Invoke(() => Context.SetEventNotifier(_irq, new AioHandler
        {
            Notified = OnIrq,
            Poll = () => Driver.HasCompletions,
            PollReady = Complete,
            Expects = IsLookingWorthIt,
            PollBegin = Driver.BeginPolling,
            PollEnd = () => Driver.EndPolling(),
        }));
        Channel.Start();
    }

    /// <summary>The device is gone: everything in flight and everything to come ends with EIO. Any thread.</summary>
    public void Fail() => Context.ScheduleOneShot(() =>
    {
        Driver.Fail();
        Complete();
    });

    /// <summary>The range gate has let a waiting operation of this queue in. Any thread.</summary>
    public void Grant(int slot)
    {
        lock (_granted)
        {
            _granted[_grantedCount++] = slot; // a slot waits once at a time: there is room
        }

        _grantedBh.Schedule();
    }

    /// <summary>Unhooks the irq and ends the thread. Idempotent.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        Context.Invoke(() =>
        {
            Context.SetEventNotifier(_irq, null);
            _watch?.Dispose();
        });
        _thread.Dispose();
        _placement?.Dispose();
        _submitter?.Dispose();
    }

    private void OnGranted()
    {
        int count;
        lock (_granted)
        {
            count = _grantedCount;
            _granted.AsSpan(0, count).CopyTo(_grantedNow);
            _grantedCount = 0;
        }

        foreach (int slot in _grantedNow.AsSpan(0, count))
        {
            Disk.Granted(slot);
        }
    }

    private void OnIrq()
    {
        Driver.Statistics.Irqs++;
        Complete();
    }

    private void Complete()
    {
        try
        {
            Disk.Complete();
        }
        catch (RingException e)
        {
            Driver.Break();
            _trouble.BrokeRule(this, e.Message);
        }
    }
}
