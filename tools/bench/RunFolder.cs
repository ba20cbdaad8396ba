using Bench.Contestants;
using RingCore.Hosting;
using RingCore.Posix;

namespace Bench;

/// <summary>The run's own folder.</summary>
internal sealed class RunFolder
{
    private int _count;

    public RunFolder(string directory)
    {
        Path = System.IO.Path.Combine(MountPoint.Resolve(directory), $"vdisk-bench-{Environment.ProcessId}");
        int errno = PathStatus.MakePrivateDirectory(Path);
        if (errno != 0)
        {
            throw new PosixException(errno, $"mkdir {Path}");
        }
    }

    public string Path { get; }

    /// <summary>vdisk's run-time folder; it may not yet exist.</summary>
    public string Sockets => System.IO.Path.Combine(Path, "run");

    public ContestantFolder Of(Contestant contestant) =>
        new(System.IO.Path.Combine(Path, $"{++_count}-{contestant.Name.Replace('/', '-')}"));

    /// <summary>Nothing may be mounted below any more: a recursive removal would go into it.</summary>
    public void Remove()
    {
        if (MountTable.Read().Entries.FirstOrDefault(e => e.Path.StartsWith(Path + "/", StringComparison.Ordinal)) is { } mount)
        {
            throw new UserErrorException($"{mount.Path} is still mounted; run 'umount -l {mount.Path}' and remove {Path}");
        }

        Directory.Delete(Path, recursive: true);
    }
}
