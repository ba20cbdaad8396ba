using System.Globalization;
using RingCore.Posix;

namespace RingCore.Hosting;

/// <summary>A process, named so that a later one with the same pid is not taken for it.</summary>
/// <param name="Pid">Its pid.</param>
/// <param name="StartTime">When it started: field 22 of /proc/PID/stat, clock ticks since boot.</param>
public sealed record ProcessIdentity(int Pid, long StartTime)
{
    private const int StateField = 0;
    private const int StartTimeField = 19; // field 22 of proc(5), counted from the state, which is field 3

    /// <summary>This process.</summary>
    public static ProcessIdentity Current { get; } = Of(Environment.ProcessId)!;

    /// <summary>The process that has <paramref name="pid"/> now; null when there is none, or only its exit status is left.</summary>
    public static ProcessIdentity? Of(int pid)
    {
        string stat;
        try
        {
            stat = File.ReadAllText($"/proc/{pid}/stat");
        }
        catch (IOException)
        {
            return null; // no such process: that is the answer, not a failure
        }

        // The second field is the name in parentheses, which may hold anything; the last ')' ends it.
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return fields[StateField] is "Z" or "X"
            ? null
            : new ProcessIdentity(pid, long.Parse(fields[StartTimeField], CultureInfo.InvariantCulture));
    }

    /// <summary>Whether this very process still runs.</summary>
    public bool IsAlive() => Of(Pid) == this;

    /// <summary>Takes hold of this very process; null when it has ended.</summary>
    public ProcessHandle? Open()
    {
        // In this order: once the pidfd is held, the pid cannot pass to another process unseen.
        ProcessHandle? handle = ProcessHandle.TryOpen(Pid);
        if (handle is not null && !IsAlive())
        {
            handle.Dispose();
            return null;
        }

        return handle;
    }
}
