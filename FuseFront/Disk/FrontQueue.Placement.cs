using FuseFront.Driver;
using FuseFront.Fuse;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <content>Where the queue's threads run, and when they look for work before they sleep.</content>
internal sealed partial class FrontQueue
{
    /// <summary>Over /dev/fuse every request costs a system call of its own; with more of them, they had better come while nobody looks.</summary>
    private const int FewBeside = 2;

    private readonly int _twin; // the virtqueue, where there is one
    private PlacementHints? _hints;
    private Func<long> _othersTotal = static () => 0;
    private bool _takesHints;
    private long? _pollMaxNs;
    private TaskCpu? _submitter;
    private readonly CpuTrail _trail = new();
    private int _homeCpu;
    private long _seenBatches;
    private long _seenBatched;

    /// <summary>What statistics call it; any thread.</summary>
    public string PlacementName =>
        Channel is { TakesTurns: true } ? "turns" : (_placement?.Current ?? FuseFront.Disk.Placement.Anywhere).ToString().ToLowerInvariant();

    /// <inheritdoc/>
    public long OthersTotal => _othersTotal();

    /// <inheritdoc/>
    public bool MayPoll => _pollMaxNs != 0;

    /// <inheritdoc/>
    public int MaxDepthBeside => !_takesHints || !MayPoll ? 0 : ComesFromOneCpu ? int.MaxValue : FewBeside;

    /// <summary>Over io_uring each queue has its CPU's requests, over /dev/fuse any.</summary>
    private bool ComesFromOneCpu => Channel!.SubmitterCpu >= 0;

    /// <summary>
    /// Over io_uring each queue has its CPU's requests. Over /dev/fuse any queue may get any: one that gets them one by one
    /// goes where they come from, one that gets them in batches stays on a CPU of its own, apart from the others. A thread cannot
    /// be followed that the scheduler wakes on another CPU for every answer, because the answering thread is still busy on its
    /// own. But the queue that is at home on that other CPU has been idle meanwhile, and is whose turn it is.
    /// </summary>
    public int ChooseCpu(bool mayTakeTurns)
    {
        FuseChannel channel = Channel!;
        if (channel.SubmitterCpu is >= 0 and int cpu)
        {
            return cpu;
        }

        BlkQueueStatistics driver = Driver.Statistics;
        long batches = driver.Batches - _seenBatches;
        long batched = driver.BatchedRequests - _seenBatched;
        _seenBatches = driver.Batches;
        _seenBatched = driver.BatchedRequests;
        bool comesInBatches = batched >= 2 * batches;
        int theirs = comesInBatches ? -1 : _submitter!.Of(channel.SubmitterThread);
        channel.TakesTurns = mayTakeTurns && theirs >= 0 && _trail.Wanders(theirs);
        return theirs < 0 || channel.TakesTurns ? _homeCpu : theirs;
    }

    /// <summary>Has the queue's threads placed; before <see cref="Start"/>.</summary>
    /// <param name="hints">Takes the device's part.</param>
    /// <param name="takesHints">The device follows them.</param>
    /// <param name="othersTotal">As <see cref="IPlacedQueue.OthersTotal"/>.</param>
    /// <param name="pollMaxNs">Longest look for work before sleeping, in nanoseconds; null leaves it to the placement.</param>
    /// <param name="notBeside">As <see cref="QueuePlacement"/>'s.</param>
    public void Place(
        Affinity affinity, PlacementHints hints, bool takesHints, Func<long> othersTotal, long? pollMaxNs, GrowingPause notBeside)
    {
        _hints = hints;
        _takesHints = takesHints;
        _othersTotal = othersTotal;
        _pollMaxNs = pollMaxNs;
        if (affinity == Affinity.Cpu)
        {
            Context.Invoke(() => QueuePlacement.Pin(this));
        }
        else if (affinity == Affinity.Auto)
        {
            int[] cpus = ThreadScheduling.GetAffinity();
            _homeCpu = cpus[Index % cpus.Length];
            _submitter = new TaskCpu();
            Context.Invoke(() => _placement = new QueuePlacement(this, notBeside));
            Context.AddRoundEnd(ObserveLoad);
        }
    }

    /// <inheritdoc/>
    public long TakeLongestTicks()
    {
        long longest = Disk.Statistics.LongestTicks;
        Disk.Statistics.LongestTicks = 0;
        return longest;
    }

    /// <inheritdoc/>
    public bool HasTwin => _takesHints && Driver.HasTwin && ComesFromOneCpu;

    /// <inheritdoc/>
    public void PlaceDevice(PlacementHint own, PlacementHint twin)
    {
        _hints!.Send(Index, own);
        if (Driver.HasTwin)
        {
            _hints.Send(_twin, twin);
        }
    }

    /// <inheritdoc/>
    public void Follow(Placement placement)
    {
        Driver.UsesTwin = placement == FuseFront.Disk.Placement.Spread;
        if (Channel is { } channel)
        {
            channel.TakesTurns &= placement == FuseFront.Disk.Placement.Together;
        }

        PlacedPolling polling = PlacedPolling.Of(placement, _pollMaxNs);
        Context.PollMaxNs = polling.MaxNs;
        Context.PollMinNs = polling.MinNs;
        Context.PollYields = polling.Yields;
    }

    /// <summary>
    /// Beside the application, on its CPU, the answer is worth looking for; the next request is not: the application needs the
    /// CPU to ask for it.
    /// </summary>
    private bool IsLookingWorthIt() => _placement?.Current != FuseFront.Disk.Placement.Beside || (Driver.IsServing && Driver.Outstanding > 0);

    private void ObserveLoad()
    {
        if (Channel is { } channel)
        {
            DiskStatistics served = Disk.Statistics;
            BlkQueueStatistics driver = Driver.Statistics;
            QueueTotals totals = new(served.TotalOperations, served.TotalBytes, driver.KicksSent + driver.Irqs);
            _placement!.Observe(totals, channel.InFlight, channel.SubmitterThread);
            if (Context.PollYields > 0)
            {
                // Alone with the application, which waits for this one answer. With more of them, others had better come meanwhile.
                // The time does not count where yields do, as long as it is above 0.
                Context.PollMaxNs = Driver.IsServing && Driver.Outstanding == 1 && channel.InFlight == 1 ? 1 : 0;
            }
        }
    }
}
