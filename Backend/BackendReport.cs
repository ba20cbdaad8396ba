using Backend.Block;
using Backend.Device;
using Backend.Server;
using RingCore.Hosting;
using RingCore.Log;
using RingCore.Virtio;

namespace Backend;

/// <summary>Puts the device's state and counters into the form that the control socket answers. Main loop's thread.</summary>
internal sealed class BackendReport(BackendSettings settings, RawImage image, VirtioBlk device, ClientServer server, LogWriter? log)
{
    public BackendStats Current() => new()
    {
        Image = settings.Image,
        Capacity = image.Limits.Length,
        ReadOnly = image.Limits.IsReadOnly,
        Aio = image.Engine == AioEngine.Threads ? "threads" : "io_uring",
        Cache = settings.Cache,
        ClientConnected = server.HasClient,
        DeviceStatus = device.Status,
        DeviceStatusNames = StatusNames(device.Status),
        Features = (ulong)device.NegotiatedFeatures,
        FeatureNames = device.NegotiatedFeatures.ToString().Split(", "),
        DataPlane = !device.DataPlane.IsStarted ? "stopped" : device.DataPlane.IsDisabled ? "disabled" : "started",
        Queues = device.DataPlane.Running.Select(Queue).ToList(),
        Recording = log is null ? null : new RecordingStats
        {
            File = log.Path,
            Records = log.Last,
            Bytes = log.BytesWritten,
            Failure = log.Failure,
        },
        Runtime = RuntimeStats.Current(),
    };

    private static BackendQueueStats Queue(VirtioBlkQueue queue)
    {
        BlkQueueCounters counters = queue.Counters;
        return new BackendQueueStats
        {
            Index = queue.Index,
            TwinOf = queue.Registers.TwinOf,
            Operations = new OperationStats
            {
                Read = Count(counters, BlkRequestType.In),
                Write = Count(counters, BlkRequestType.Out),
                Flush = Count(counters, BlkRequestType.Flush),
                Discard = Count(counters, BlkRequestType.Discard),
                WriteZeroes = Count(counters, BlkRequestType.WriteZeroes),
                Other = Count(counters, BlkRequestType.GetId),
            },
            Errors = counters.Errors,
            InFlight = queue.InFlight,
            Batches = counters.Batches,
            MeanBatch = counters.Batches == 0 ? 0 : (double)counters.BatchedRequests / counters.Batches,
            MaxBatch = (int)counters.MaxBatch,
            MergedRequests = counters.Merged,
            KicksReceived = queue.Registers.KicksReceived,
            IrqsRaised = counters.IrqsRaised,
            IrqsSuppressed = counters.IrqsSuppressed,
            PollHits = queue.Context.Statistics.PollHits,
            PollMisses = queue.Context.Statistics.PollMisses,
            Latency = LatencyStats.Of(counters.Latency),
        };
    }

    private static OperationCount Count(BlkQueueCounters counters, BlkRequestType type)
    {
        (long requests, long bytes) = counters.Of(type);
        return new OperationCount(requests, bytes);
    }

    private static List<string> StatusNames(byte status)
    {
        List<string> names = [];
        foreach ((byte bit, string name) in ((byte, string)[])[
            (DeviceStatus.Acknowledge, "ACKNOWLEDGE"),
            (DeviceStatus.Driver, "DRIVER"),
            (DeviceStatus.FeaturesOk, "FEATURES_OK"),
            (DeviceStatus.DriverOk, "DRIVER_OK"),
            (DeviceStatus.NeedsReset, "DEVICE_NEEDS_RESET"),
            (DeviceStatus.Failed, "FAILED")])
        {
            if ((status & bit) != 0)
            {
                names.Add(name);
            }
        }

        return names;
    }
}
