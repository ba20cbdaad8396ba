using RingCore.Hosting;

namespace Bench.Cases;

/// <summary>The cases that there are.</summary>
internal static class Workloads
{
    private const int Block = 4096;
    private const int Large = 1 << 20;

    /// <summary>The seven cases that the goals are written in.</summary>
    public static IReadOnlyList<Workload> Standard { get; } =
    [
        new("rr-q1", "4 KiB random read, psync, depth 1", "randread", Block, "psync", 1),
        new("rw-q1", "4 KiB random write, psync, depth 1", "randwrite", Block, "psync", 1),
        new("rr-q32", "4 KiB random read, libaio, depth 32", "randread", Block, "libaio", 32),
        new("rw-q32", "4 KiB random write, libaio, depth 32", "randwrite", Block, "libaio", 32),
        Mix(4),
        new("read-1m", "1 MiB sequential read, depth 4", "read", Large, "libaio", 4),
        new("write-1m", "1 MiB sequential write, depth 4", "write", Large, "libaio", 4),
    ];

    /// <summary>Twice the jobs: the cost of a request is to stay what it was.</summary>
    public static IReadOnlyList<Workload> Extra { get; } = [Mix(8)];

    /// <summary>The few that tell mechanisms apart.</summary>
    public static IReadOnlyList<Workload> Matrix { get; } = Select(["rr-q1", "rr-q32", "mix-4x16", "read-1m"]);

    /// <summary>What warms a contestant up, one after the other: requests one by one, then reads and writes, deep.</summary>
    public static IReadOnlyList<Workload> WarmUp { get; } = [Standard[0], Mix(4)];

    /// <summary>The cases of these names, in the order of the catalogue.</summary>
    /// <exception cref="UserErrorException">There is no such case.</exception>
    public static IReadOnlyList<Workload> Select(IReadOnlyList<string> names)
    {
        List<Workload> all = [.. Standard, .. Extra];
        string? unknown = names.FirstOrDefault(name => !all.Exists(w => w.Name == name));
        return unknown is null
            ? all.FindAll(w => names.Contains(w.Name))
            : throw new UserErrorException(
                $"there is no case '{unknown}'; choose from {string.Join(", ", all.Select(w => w.Name))}", ExitCodes.Usage);
    }

    private static Workload Mix(int jobs) =>
        new($"mix-{jobs}x16", $"4 KiB 70/30 mix, {jobs} jobs × depth 16", "randrw", Block, "libaio", 16, jobs);
}
