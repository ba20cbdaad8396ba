using FuseFront.Disk;
using FuseFront.Driver;
using RingCore.Hosting;

namespace FuseFront;

/// <summary>Puts the queues' counters into the form that the control socket answers. Any thread.</summary>
internal sealed class FrontReport(VirtualDisk disk, string directory)
{
    public FrontStats Current() => new()
    {
        Directory = directory,
        FuseTransport = disk.Session.Transport == Fuse.FuseTransport.Uring ? "uring" : "dev",
        Capacity = disk.Geometry.Length,
        Features = (ulong)disk.Driver.Features,
        FeatureNames = disk.Driver.Features.ToString().Split(", "),
        BackendConnected = disk.Failure == null,
        DeviceResets = disk.Driver.Restarts,
        Queues = disk.Queues.Select(Queue).ToList(),
        Runtime = RuntimeStats.Current(),
    };

    private static FrontQueueStats Queue(FrontQueue queue)
    {
        BlkQueueStatistics driver = queue.Driver.Statistics;
        DiskStatistics operations = queue.Disk.Statistics;
        return new FrontQueueStats
        {
            Index = queue.Index,
            Operations = new OperationStats
            {
                Read = Count(operations, SlotKind.Read),
                Write = Count(operations, SlotKind.Write),
                Flush = Count(operations, SlotKind.Flush),
                Discard = Count(operations, SlotKind.PunchHole),
                WriteZeroes = Count(operations, SlotKind.ZeroRange),
            },
            Errors = operations.Errors,
            InFlight = queue.Channel?.InFlight ?? 0,
            KicksSent = driver.KicksSent,
            KicksSuppressed = driver.KicksSuppressed,
            IrqsReceived = driver.Irqs,
            IrqsLost = driver.LostIrqs,
            KicksRepeated = driver.RepeatedKicks,
            RequestsResubmitted = driver.Resubmitted,
            Batches = driver.Batches,
            MeanBatch = driver.Batches == 0 ? 0 : (double)driver.BatchedRequests / driver.Batches,
            MaxBatch = (int)driver.MaxBatch,
            PollHits = queue.Context.Statistics.PollHits,
            PollMisses = queue.Context.Statistics.PollMisses,
            Placement = queue.PlacementName,
            PlacementMoves = queue.Placement?.Moves ?? 0,
            Latency = LatencyStats.Of(operations.Latency),
        };
    }

    private static OperationCount Count(DiskStatistics statistics, SlotKind kind)
    {
        (long operations, long bytes) = statistics.Of(kind);
        return new OperationCount(operations, bytes);
    }
}
