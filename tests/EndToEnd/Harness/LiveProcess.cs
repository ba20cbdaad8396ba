using System.Globalization;
using System.Runtime.InteropServices;

namespace EndToEnd.Harness;

/// <summary>
/// What /proc tells about processes. A zombie counts as ended: it holds nothing, and where the first process of a
/// container does not reap, it stays for ever.
/// </summary>
public static partial class LiveProcess
{
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigTerm = 15;
    public const int SigCont = 18;
    public const int SigStop = 19;

    public static bool IsAlive(int pid)
    {
        string stat = ReadOrEmpty($"/proc/{pid}/stat");
        int afterName = stat.LastIndexOf(')') + 2; // the name may hold anything
        return afterName < stat.Length && stat[afterName] is not ('Z' or 'X');
    }

    /// <summary>Not all of its threads have ended. The first one may have (a zombie then), while others still close files.</summary>
    public static bool HasThreads(int pid)
    {
        try
        {
            return Directory.GetDirectories($"/proc/{pid}/task").Length > 1 || IsAlive(pid);
        }
        catch (DirectoryNotFoundException)
        {
            return false;
        }
    }

    /// <summary>Living processes, other than this one, whose command line holds <paramref name="text"/>.</summary>
    public static IReadOnlyList<string> WithCommandLine(string text)
    {
        List<string> found = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int pid)
                || pid == Environment.ProcessId)
            {
                continue;
            }

            string line = ReadOrEmpty($"{folder}/cmdline").Replace('\0', ' ');
            if (line.Contains(text, StringComparison.Ordinal) && IsAlive(pid))
            {
                found.Add($"{pid}: {line}");
            }
        }

        return found;
    }

    /// <summary>Open file descriptors of a process.</summary>
    public static int CountFds(int pid) => Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length;

    /// <summary>Mappings of a process.</summary>
    public static int CountMappings(int pid) => File.ReadAllLines($"/proc/{pid}/maps").Length;

    /// <summary>A size that /proc/PID/status shows, such as VmRSS, in bytes.</summary>
    public static long StatusBytes(int pid, string field)
    {
        string line = File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith(field + ":", StringComparison.Ordinal));
        return long.Parse(line[(field.Length + 1)..^"kB".Length], CultureInfo.InvariantCulture) * 1024;
    }

    public static void Signal(int pid, int signal)
    {
        Assert.That(pid, Is.GreaterThan(1));
        _ = Kill(pid, signal);
    }

    private static string ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ""; // it has ended meanwhile
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);
}
