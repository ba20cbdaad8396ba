namespace EndToEnd.Harness;

/// <summary>Where the project's own programs are: in $VDISK_BIN, else in artifacts/bin, which scripts/build fills.</summary>
public static class Programs
{
    private const string Variable = "VDISK_BIN";

    public static string Vdisk => In("vdisk");

    public static string Backend => In("backend");

    public static string Front => In("fusefront");

    /// <summary>The folder of the sources that these tests were built from.</summary>
    public static string SourceRoot
    {
        get
        {
            DirectoryInfo? folder = new(AppContext.BaseDirectory);
            while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Fuse.sln")))
            {
                folder = folder.Parent;
            }

            return folder?.FullName ?? throw new AssertionException($"no Fuse.sln above {AppContext.BaseDirectory}");
        }
    }

    private static string In(string name)
    {
        string path = Path.Combine(Folder(), name);
        return File.Exists(path) ? path : throw new AssertionException($"{path} is missing; run scripts/build");
    }

    private static string Folder()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } chosen)
        {
            return Path.GetFullPath(chosen);
        }

        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "artifacts", "bin");
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        throw new AssertionException($"no artifacts/bin above {AppContext.BaseDirectory}; run scripts/build, or set {Variable}");
    }
}
