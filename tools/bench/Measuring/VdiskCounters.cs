using RingCore.Hosting;

namespace Bench.Measuring;

/// <summary>Our disk's counters at one moment, all queues together. The backend's pid is 0 where the back end was not started by vdisk.</summary>
internal sealed record VdiskCounters(
    int FrontPid, int BackendPid, string FuseTransport, string Features, long Kicks, long Irqs)
{
    public static VdiskCounters Of(FrontStats front, BackendStats? backend) => new(
        front.Runtime?.Pid ?? 0,
        backend?.Runtime?.Pid ?? 0,
        front.FuseTransport,
        string.Join(' ', front.FeatureNames),
        front.Queues.Sum(q => q.KicksSent),
        front.Queues.Sum(q => q.IrqsReceived));
}
