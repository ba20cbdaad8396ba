using System.Globalization;

namespace Bench.Measuring;

/// <summary>The CPU time that processes have had, from the kernel's accounting (proc(5), /proc/PID/stat).</summary>
internal static class ProcessTimes
{
    private const int TicksPerSecond = 100; // USER_HZ, the same on every architecture that .NET runs on
    private const int SessionField = 3; // field 6, counted from the state, which is field 3
    private const int UserField = 11; // field 14
    private const int SystemField = 12; // field 15

    /// <summary>User and system time, all threads, dead ones included. Processes that have ended count nothing.</summary>
    public static TimeSpan Of(IEnumerable<int> processes)
    {
        long ticks = 0;
        foreach (int pid in processes)
        {
            if (Fields(pid) is { } fields)
            {
                ticks += Number(fields[UserField]) + Number(fields[SystemField]);
            }
        }

        return TimeSpan.FromSeconds((double)ticks / TicksPerSecond);
    }

    /// <summary>The processes of a session.</summary>
    public static IReadOnlyList<int> OfSession(int session)
    {
        List<int> found = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), out int pid)
                && Fields(pid) is { } fields && Number(fields[SessionField]) == session)
            {
                found.Add(pid);
            }
        }

        return found;
    }

    /// <summary>The fields after the name, which may hold anything and ends at the last parenthesis; null without the process.</summary>
    private static string[]? Fields(int pid)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null; // it has ended: that is the answer
        }
    }

    private static long Number(string field) => long.Parse(field, CultureInfo.InvariantCulture);
}
