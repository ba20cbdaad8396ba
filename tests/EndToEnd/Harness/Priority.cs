using System.Globalization;

namespace EndToEnd.Harness;

/// <summary>Keeps the rest of the machine out of a comparison: all who take part are lifted above it alike.</summary>
public static class Priority
{
    private const string Nice = "-15";

    /// <summary>Lifts a process that leads its session, all its threads included. Root only.</summary>
    public static void Lift(int pid)
    {
        if (IsGroupedBySession())
        {
            // sched(7): between sessions, the session's value counts. One that setsid has only just started may not have its own yet.
            Wait.For("a session of its own", () => Session(pid) == pid);
            File.WriteAllText($"/proc/{pid}/autogroup", Nice);
            return;
        }

        string[] threads = [.. Directory.GetDirectories($"/proc/{pid}/task").Select(t => Path.GetFileName(t))];
        Tool.Run("renice", ["-n", Nice, "-p", .. threads]);
    }

    /// <summary>proc_pid_stat(5): the sixth field, the fourth after the name in brackets, which may hold spaces.</summary>
    private static int Session(int pid)
    {
        string stat = File.ReadAllText($"/proc/{pid}/stat");
        return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[3], CultureInfo.InvariantCulture);
    }

    private static bool IsGroupedBySession()
    {
        const string setting = "/proc/sys/kernel/sched_autogroup_enabled";
        return File.Exists(setting) && int.Parse(File.ReadAllText(setting), CultureInfo.InvariantCulture) == 1;
    }
}
