using Bench.Contestants;
using RingCore.Hosting;
using RingCore.Posix;

namespace Bench.Measuring;

/// <summary>
/// Is the file under test on the mount that is meant? A server that has died leaves an empty folder or an old file behind,
/// and measuring that would flatter it.
/// </summary>
internal static class MountCheck
{
    /// <summary>The innermost mount that holds <paramref name="path"/> (absolute, without links).</summary>
    public static MountEntry? MountOf(MountTable table, string path) =>
        table.Entries
            .Where(e => path == e.Path || path.StartsWith(e.Path == "/" ? "/" : e.Path + "/", StringComparison.Ordinal))
            .Aggregate((MountEntry?)null, (best, e) => best is null || e.Path.Length >= best.Path.Length ? e : best);

    /// <summary>Null when the file is served by FUSE, mounted at the folder's mount point or over the file itself.</summary>
    public static string? ProblemWithFuse(ContestantFolder folder)
    {
        MountEntry? mount = MountOf(MountTable.Read(), folder.File);
        if (mount is null || (mount.Path != folder.Mount && mount.Path != folder.File))
        {
            return $"nothing is mounted at {folder.Mount}";
        }

        try
        {
            long kind = FileSystemKind.Of(folder.File);
            return kind == FileSystemKind.Fuse ? null : $"{folder.File} is on {mount.Type} (magic 0x{kind:x}), not on FUSE";
        }
        catch (PosixException e)
        {
            return e.Message;
        }
    }

    /// <exception cref="UserErrorException">See <see cref="ProblemWithFuse"/>.</exception>
    public static void RequireFuse(ContestantFolder folder)
    {
        if (ProblemWithFuse(folder) is { } problem)
        {
            throw new UserErrorException($"not the mount that is meant: {problem}");
        }
    }

    /// <summary>The file must be a plain one.</summary>
    /// <exception cref="UserErrorException">It is on FUSE.</exception>
    public static void RequireNoFuse(string file)
    {
        if (FileSystemKind.Of(file) == FileSystemKind.Fuse)
        {
            throw new UserErrorException($"{file} is itself on FUSE; choose another --dir");
        }
    }
}
