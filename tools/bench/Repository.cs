using RingCore.Hosting;

namespace Bench;

/// <summary>Where this checkout keeps what the benchmark needs.</summary>
internal static class Repository
{
    /// <summary>The folder that holds Fuse.sln, above this program; null when the program was moved away.</summary>
    public static string? Root { get; } = FindRoot(AppContext.BaseDirectory);

    /// <summary>Where reports go unless told otherwise.</summary>
    public static string ReportFolder => Path.Combine(Root ?? Environment.CurrentDirectory, "artifacts", "bench");

    /// <summary>Full path of <c>vdisk</c>.</summary>
    /// <inheritdoc cref="Program"/>
    public static string Vdisk() => Program("vdisk");

    /// <summary>Full path of one of our programs: in $VDISK_BIN, or in artifacts/bin.</summary>
    /// <exception cref="UserErrorException">It is not built.</exception>
    public static string Program(string name)
    {
        string? folder = Environment.GetEnvironmentVariable("VDISK_BIN") is { Length: > 0 } chosen
            ? Path.GetFullPath(chosen)
            : Root is null ? null : Path.Combine(Root, "artifacts", "bin");
        string path = Path.Combine(folder ?? "", name);
        return File.Exists(path)
            ? path
            : throw new UserErrorException($"{path} is missing; run scripts/build, or set VDISK_BIN to the folder that holds {name}");
    }

    /// <summary>The commit that is checked out, with <c>+</c> when there are changes; null when it is not known.</summary>
    public static string? Commit()
    {
        if (Root is not { } root || !Command.IsInstalled("git"))
        {
            return null;
        }

        TimeSpan patience = TimeSpan.FromSeconds(10);
        Command.Outcome head = Command.Run("git", ["-C", root, "rev-parse", "--short", "HEAD"], patience);
        Command.Outcome changes = Command.Run("git", ["-C", root, "status", "--porcelain", "-uno"], patience);
        return head.ExitCode == 0 ? head.Output.Trim() + (changes.Output.Trim().Length > 0 ? "+" : "") : null;
    }

    private static string? FindRoot(string folder)
    {
        for (DirectoryInfo? at = new(folder); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Fuse.sln")))
            {
                return at.FullName;
            }
        }

        return null;
    }
}
