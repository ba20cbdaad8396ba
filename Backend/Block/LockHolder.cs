using System.Globalization;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// Names the process behind an OFD lock. The kernel gives no process id for one, since it belongs to an open file, but lists
/// it in the <c>fdinfo</c> of every descriptor of that file: <c>lock: 1: OFDLCK ADVISORY READ -1 fe:00:4711 100 101</c>.
/// Only processes that this user may look into are found.
/// </summary>
internal static class LockHolder
{
    /// <summary>"name (pid N)" of a holder of any byte in [first, last], other than <paramref name="own"/>; or null.</summary>
    internal static string? Find(FileDescriptor own, FileStatus image, long first, long last)
    {
        string device = $"{image.DeviceMajor:x2}:{image.DeviceMinor:x2}:{image.Inode}";
        string? target = ReadLink($"/proc/self/fd/{own.Number}");
        foreach (string process in Directory.EnumerateDirectories("/proc"))
        {
            string pid = Path.GetFileName(process);
            if (!int.TryParse(pid, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                continue;
            }

            bool self = number == Environment.ProcessId;
            foreach (string info in Entries($"{process}/fdinfo"))
            {
                if (self && Path.GetFileName(info) == own.Number.ToString(CultureInfo.InvariantCulture))
                {
                    continue;
                }

                bool IsSamePath() => ReadLink($"{process}/fd/{Path.GetFileName(info)}") == target;
                if (Holds(info, device, image.Inode, first, last, IsSamePath))
                {
                    return self ? "this process" : $"{Read($"{process}/comm").Trim()} (pid {pid})";
                }
            }
        }

        return null;
    }

    private static bool Holds(string info, string device, ulong inode, long first, long last, Func<bool> isSamePath)
    {
        foreach (string line in Read(info).Split('\n'))
        {
            string[] word = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (word.Length < 9 || word[0] != "lock:" || word[2] != "OFDLCK")
            {
                continue;
            }

            // Some file systems report here another device number than stat does; the path decides then.
            bool sameFile = word[6] == device || (word[6].EndsWith($":{inode}", StringComparison.Ordinal) && isSamePath());
            long start = long.Parse(word[7], CultureInfo.InvariantCulture);
            long end = word[8] == "EOF" ? long.MaxValue : long.Parse(word[8], CultureInfo.InvariantCulture);
            if (sameFile && start <= last && first <= end)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>What /proc shows now; a process that ended meanwhile, or belongs to another user, shows nothing.</summary>
    private static string[] Entries(string directory)
    {
        try
        {
            return Directory.GetFiles(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return string.Empty;
        }
    }

    private static string? ReadLink(string link)
    {
        try
        {
            return new FileInfo(link).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
