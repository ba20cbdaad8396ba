using RingCore.Hosting;
using RingCore.Posix;

namespace Vdisk.CrashTesting;

/// <summary>A folder for what a crash test makes while it runs; removed with all that is in it.</summary>
internal sealed class WorkFolder : IDisposable
{
    /// <param name="parent">Where it is made; null: where temporary files go.</param>
    /// <exception cref="UserErrorException">It cannot be made.</exception>
    public WorkFolder(string? parent)
    {
        string place = System.IO.Path.GetFullPath(parent ?? System.IO.Path.GetTempPath());
        Path = System.IO.Path.Combine(place, $"vdisk-crashtest-{Environment.ProcessId}");
        int errno = PathStatus.MakePrivateDirectory(Path);
        if (errno != 0)
        {
            throw new UserErrorException($"{place} cannot hold the states: {Errno.Describe(errno)}; choose another place with --work");
        }
    }

    public string Path { get; }

    /// <summary>Makes a folder in it.</summary>
    public string Sub(string name) => Directory.CreateDirectory(System.IO.Path.Combine(Path, name)).FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
