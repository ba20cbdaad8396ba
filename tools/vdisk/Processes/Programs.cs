using RingCore.Hosting;

namespace Vdisk.Processes;

/// <summary>Finds the programs that vdisk starts.</summary>
internal static class Programs
{
    private const string Variable = "VDISK_BIN";

    /// <summary>Full path of <c>backend</c> or <c>fusefront</c>: beside vdisk, or in $VDISK_BIN.</summary>
    /// <exception cref="UserErrorException">It is not there.</exception>
    public static string Find(string name)
    {
        string folder = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } chosen
            ? Path.GetFullPath(chosen)
            : AppContext.BaseDirectory;
        string path = Path.Combine(folder, name);
        return File.Exists(path)
            ? path
            : throw new UserErrorException($"{path} is missing; run scripts/build, or set {Variable} to the folder that holds {name}");
    }

    /// <summary>Whether a program of the system is on the PATH, or where administrators' programs are.</summary>
    public static bool IsInstalled(string name) =>
        $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin"
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Any(folder => File.Exists(Path.Combine(folder, name)));
}
