using FuseFront.Driver;
using FuseFront.Fuse;
using NLog;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <summary>
/// One path through the front: a FUSE channel, its thread, and a virtqueue. Nothing here is shared with another queue but
/// the <see cref="RangeGate"/>. <c>.Recovery</c> has what it does while the device is reset.
/// </summary>
internal sealed partial class FrontQueue : IDisposable
{
    /// <summary>About what a wake-up across CPUs costs: looking for so long instead can at most double it.</summary>
    private const long ShortLookNs = 25_000;

    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly IoThread _thread;
    private readonly EventNotifier _irq;
    private readonly IQueueTrouble _trouble;
    private readonly Action _roundEnd;
    private QueuePlacement? _placement;
    private TaskCpu? _submitter;
    private int _homeCpu;
    private long _pollMaxNs;
    private long _seenBatches;
    private long _seenBatched;
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
        _trouble = trouble;
        Disk = new DiskQueue(disk, index, driver.SlotCount, gate);
        Driver = driver.CreateQueue(index, Disk);
        Slots = new SlotPool(Driver, driver.SlotCount);
        _thread = new IoThread(contextOptions);
        _roundEnd = ObserveLoad;
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

    /// <summary>Has the queue's threads placed by its load; before <see cref="Start"/>.</summary>
    /// <param name="placeDevice">Hints to the device on which CPU to serve the queue.</param>
    /// <param name="othersTotal">Requests that the disk's other queues have answered so far; called on the queue's thread.</param>
    public void PlaceByLoad(Action<int?> placeDevice, Func<long> othersTotal)
    {
        int[] cpus = ThreadScheduling.GetAffinity();
        _homeCpu = cpus[Index % cpus.Length];
        _pollMaxNs = Context.PollMaxNs;
        _submitter = new TaskCpu();
        Context.Invoke(() => _placement = new QueuePlacement(Index, PreferredCpu, othersTotal, placeDevice, LookBeforeSleep));
        Context.AddRoundEnd(_roundEnd);
    }

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
            PollBegin = Driver.DisableInterrupts,
            PollEnd = () => Driver.EnableInterrupts(),
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

    /// <summary>
    /// Over io_uring each queue has its CPU's requests. Over /dev/fuse any queue may get any: one that gets them one by one
    /// goes where they come from, one that gets them in batches stays on a CPU of its own, apart from the others.
    /// </summary>
    private int PreferredCpu()
    {
        if (Channel!.SubmitterCpu is >= 0 and int cpu)
        {
            return cpu;
        }

        BlkQueueStatistics driver = Driver.Statistics;
        long batches = driver.Batches - _seenBatches;
        long batched = driver.BatchedRequests - _seenBatched;
        _seenBatches = driver.Batches;
        _seenBatched = driver.BatchedRequests;
        bool comesInBatches = batched >= 2 * batches;
        return comesInBatches || _submitter!.Of(Channel.SubmitterThread) is not (>= 0 and int theirs) ? _homeCpu : theirs;
    }

    private void ObserveLoad()
    {
        if (Channel is { } channel)
        {
            DiskStatistics served = Disk.Statistics;
            _placement!.Observe(served.TotalOperations, served.TotalBytes, channel.InFlight, channel.SubmitterThread);
        }
    }

    private void LookBeforeSleep(bool does) => Context.PollMaxNs = does ? Math.Max(_pollMaxNs, ShortLookNs) : _pollMaxNs;

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
