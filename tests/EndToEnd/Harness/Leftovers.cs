using System.Globalization;

namespace EndToEnd.Harness;

/// <summary>What the machine holds of a test's folder, and its removal after a test that failed.</summary>
public static class Leftovers
{
    /// <summary>Mount points at or below a folder, innermost first.</summary>
    public static IReadOnlyList<string> Mounts(string folder) =>
    [
        .. File.ReadLines("/proc/self/mountinfo")
            .Select(line => line.Split(' ')[4])
            .Where(point => point == folder || point.StartsWith(folder + "/", StringComparison.Ordinal))
            .Reverse(),
    ];

    /// <summary>Loop devices whose backing file is below a folder.</summary>
    public static IReadOnlyList<string> LoopDevices(string folder)
    {
        List<string> found = [];
        foreach (string device in Directory.EnumerateDirectories("/sys/block", "loop*"))
        {
            string backing = Path.Combine(device, "loop", "backing_file");
            try
            {
                if (File.ReadAllText(backing).StartsWith(folder + "/", StringComparison.Ordinal))
                {
                    found.Add("/dev/" + Path.GetFileName(device));
                }
            }
            catch (IOException)
            {
                // not in use, or given back meanwhile
            }
        }

        return found;
    }

    /// <summary>Takes away by force what is left: file systems first, then the processes by the pids found, then the mounts.</summary>
    public static void Remove(string folder)
    {
        IReadOnlyList<string> processes = LiveProcess.WithCommandLine(folder);
        if (processes.Count == 0 && Mounts(folder).Count == 0 && LoopDevices(folder).Count == 0)
        {
            return;
        }

        foreach (string mount in Mounts(folder))
        {
            Tool.Run("umount", "--lazy", mount);
        }

        foreach (string device in LoopDevices(folder))
        {
            Tool.Run("losetup", "--detach", device);
        }

        foreach (string process in processes)
        {
            LiveProcess.Signal(int.Parse(process[..process.IndexOf(':')], CultureInfo.InvariantCulture), LiveProcess.SigKill);
        }

        Wait.Until(TimeSpan.FromSeconds(10), () => LiveProcess.WithCommandLine(folder).Count == 0);
    }
}
