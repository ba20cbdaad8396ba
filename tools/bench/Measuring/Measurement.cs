using Bench.Cases;
using Bench.Contestants;
using Bench.Fio;
using Bench.Reports;

namespace Bench.Measuring;

/// <summary>One measurement: fio, and what the servers' accounting and counters say about the same time.</summary>
internal static class Measurement
{
    /// <exception cref="RingCore.Hosting.UserErrorException">It failed.</exception>
    /// <exception cref="OperationCanceledException"/>
    public static Sample Take(Serving serving, Workload workload, Region region, TimeSpan runtime, int round, CancellationToken cancel)
    {
        // Counters outside, CPU times inside: to tell its counters costs our disk some of its time.
        IReadOnlyList<int> processes = serving.Processes();
        VdiskCounters? counted = serving.Counters();
        TimeSpan cpu = ProcessTimes.Of(processes);
        FioResult result = FioRun.Run(workload, serving.File, region, runtime, cancel);
        cpu = ProcessTimes.Of(processes) - cpu;
        VdiskCounters? after = serving.Counters();
        double requests = result.Requests;
        return new Sample(
            round,
            result.Iops,
            result.BytesPerSecond,
            result.P50Us,
            result.P99Us,
            processes.Count == 0 ? null : cpu.TotalMicroseconds / requests,
            (after?.Kicks - counted?.Kicks) / requests,
            (after?.Irqs - counted?.Irqs) / requests);
    }
}
