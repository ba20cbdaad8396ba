namespace Vdisk.Mounts;

/// <summary>Who keeps a mount busy: processes of which /proc shows an open file, a mapping or a working folder there.</summary>
internal static class MountUsers
{
    private const int MaxNamed = 3;

    /// <summary>Such as <c>fio (pid 4711)</c>, at most three, or null when none is to be seen.</summary>
    public static string? Describe(string directory)
    {
        List<string> users = [];
        foreach (string process in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(process), out int pid) && pid != Environment.ProcessId && Uses(process, directory))
            {
                users.Add($"{NameOf(process)} (pid {pid})");
            }
        }

        string more = users.Count > MaxNamed ? $" and {users.Count - MaxNamed} more" : "";
        return users.Count == 0 ? null : string.Join(", ", users.Take(MaxNamed)) + more;
    }

    private static bool Uses(string process, string directory)
    {
        try
        {
            return IsBelow(new FileInfo($"{process}/cwd").LinkTarget, directory)
                || IsBelow(new FileInfo($"{process}/root").LinkTarget, directory)
                || Directory.EnumerateFileSystemEntries($"{process}/fd").Any(fd => IsBelow(new FileInfo(fd).LinkTarget, directory))
                || File.ReadLines($"{process}/maps").Any(map => map.Contains($" {directory}/", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // it has ended meanwhile, or is another user's: this is a hint for a message, no decision
        }
    }

    private static bool IsBelow(string? path, string directory) =>
        path == directory || path?.StartsWith(directory + "/", StringComparison.Ordinal) == true;

    private static string NameOf(string process)
    {
        try
        {
            return File.ReadAllText($"{process}/comm").Trim();
        }
        catch (IOException)
        {
            return "a process that has just ended";
        }
    }
}
