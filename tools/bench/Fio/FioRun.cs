using Bench.Cases;
using Bench.Contestants;
using Bench.Measuring;
using RingCore.Hosting;

namespace Bench.Fio;

/// <summary>Runs fio once.</summary>
internal static class FioRun
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(300);

    /// <exception cref="UserErrorException">fio is missing, fails, or does not end.</exception>
    /// <exception cref="OperationCanceledException"/>
    public static FioResult Run(Workload workload, string file, Region region, TimeSpan runtime, CancellationToken cancel)
    {
        Command.Outcome outcome = Command.Run(
            "fio", workload.FioArguments(file, region.Offset, region.Length, runtime), runtime + Grace, cancel);
        if (outcome.ExitCode == 0)
        {
            return FioResult.Parse(outcome.Output);
        }

        // A Ctrl-C reaches fio too, and perhaps earlier than us.
        cancel.WaitHandle.WaitOne(Late);
        cancel.ThrowIfCancellationRequested();
        throw new UserErrorException($"fio failed on {file}: {outcome.Complaint}");
    }
}
