namespace Bench.Contestants;

/// <summary>The measured part of an image, in bytes.</summary>
internal readonly record struct Region(long Offset, long Length);

/// <summary>A contestant's own folder: its image, and the place where it mounts. Nothing in it is shared with the others.</summary>
internal sealed class ContestantFolder
{
    public const string FileName = "disk";

    public ContestantFolder(string path)
    {
        Path = path;
        Directory.CreateDirectory(Source);
        Directory.CreateDirectory(Mount);
    }

    /// <summary>Full path, without symbolic links.</summary>
    public string Path { get; }

    /// <summary>A folder that holds nothing but the image, for file systems that mirror one.</summary>
    public string Source => System.IO.Path.Combine(Path, "source");

    public string Image => System.IO.Path.Combine(Source, FileName);

    /// <summary>An empty folder to mount on.</summary>
    public string Mount => System.IO.Path.Combine(Path, "mnt");

    /// <summary>The file under test, once it is mounted.</summary>
    public string File => System.IO.Path.Combine(Mount, FileName);

    /// <summary>A scenario of fault rules.</summary>
    public string FaultRules => System.IO.Path.Combine(Path, "faults");

    /// <summary>What the server writes.</summary>
    public string Log => System.IO.Path.Combine(Path, "log");
}
