using System.Globalization;

namespace RingCore.Posix;

/// <summary>The machine's CPUs as the kernel counts them.</summary>
public static class CpuTopology
{
    private const string PossibleFile = "/sys/devices/system/cpu/possible";
    private static readonly Lazy<int> Possible = new(static () => CountOf(File.ReadAllText(PossibleFile)));

    /// <summary>CPUs that may ever be there: what the kernel has per-CPU data for, whether they are online, or ours to use.</summary>
    /// <exception cref="IOException">/sys is not there.</exception>
    public static int PossibleCount => Possible.Value;

    /// <summary>How many numbers a list such as <c>0-3,8</c> has.</summary>
    public static int CountOf(string list)
    {
        int count = 0;
        foreach (string range in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] ends = range.Split('-');
            int first = int.Parse(ends[0], CultureInfo.InvariantCulture);
            count += int.Parse(ends[^1], CultureInfo.InvariantCulture) - first + 1;
        }

        return count;
    }
}
