using System.Globalization;

namespace Bench.Measuring;

/// <summary>The machine, as far as figures depend on it.</summary>
internal sealed record Machine(string Kernel, int Cpus, string CpuModel, double LoadBefore, bool? FuseUringEnabled)
{
    private const string UringSwitch = "/sys/module/fuse/parameters/enable_uring";

    public static Machine Current() => new(
        File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
        Environment.ProcessorCount,
        CpuModelName(),
        double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture),
        File.Exists(UringSwitch) ? File.ReadAllText(UringSwitch).Trim() is "Y" or "1" : null);

    /// <summary>What may spoil the figures, in sentences.</summary>
    public IEnumerable<string> Warnings()
    {
        if (LoadBefore > 0.5 * Cpus)
        {
            yield return $"the machine is busy (load {LoadBefore:0.0} on {Cpus} CPUs): figures will be low and wander";
        }

        if (FuseUringEnabled == false)
        {
            yield return $"FUSE over io_uring is off; as root: echo 1 > {UringSwitch}";
        }
    }

    private static string CpuModelName() =>
        File.ReadLines("/proc/cpuinfo")
            .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "";

    /// <summary>Memory that can still be had, in bytes (MemAvailable).</summary>
    public static long AvailableMemory()
    {
        string line = File.ReadLines("/proc/meminfo").First(l => l.StartsWith("MemAvailable:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
