namespace EndToEnd.Harness;

/// <summary>
/// A test's own world: a folder for images and mount points, and a run-time folder in which it sees no attachment but its
/// own. Disposing takes everything away, by force if need be.
/// </summary>
public sealed class TestSpace : IDisposable
{
    private readonly List<AttachedDisk> _disks = [];
    private readonly List<string> _logs = [];
    private readonly Dictionary<string, string> _environment;

    /// <param name="parent">Where the folder is made.</param>
    public TestSpace(string parent = "/tmp")
    {
        Root = System.IO.Path.Combine(parent, $"vdisk-e2e-{Guid.NewGuid().ToString("N")[..8]}");
        RuntimeFolder = Path("run");
        Directory.CreateDirectory(Root);
        _environment = new() { ["VDISK_RUNTIME_DIR"] = RuntimeFolder };
    }

    /// <summary>Full path of the folder.</summary>
    public string Root { get; }

    public string RuntimeFolder { get; }

    /// <summary>What vdisk needs in its environment.</summary>
    public IReadOnlyDictionary<string, string> Environment => _environment;

    public string Path(string name) => System.IO.Path.Combine(Root, name);

    /// <summary>Makes an empty folder.</summary>
    public string Folder(string name)
    {
        Directory.CreateDirectory(Path(name));
        return Path(name);
    }

    /// <summary>Makes a sparse image.</summary>
    public string Image(long bytes, string name = "disk.img")
    {
        using FileStream file = File.Create(Path(name));
        file.SetLength(bytes);
        return Path(name);
    }

    /// <summary>Runs vdisk to its end.</summary>
    public RunResult Vdisk(params string[] arguments)
    {
        using Tool vdisk = StartVdisk(arguments);
        return vdisk.WaitForExit(Tool.StandardTimeout);
    }

    public Tool StartVdisk(params string[] arguments) => Tool.Start(Programs.Vdisk, arguments, Environment);

    /// <summary>Attaches an image at a new folder.</summary>
    public AttachedDisk Attach(string image, params string[] options)
    {
        string directory = Folder($"mnt{_disks.Count}");
        Vdisk(["attach", image, directory, .. options]).Succeeded();
        AttachedDisk disk = new(this, image, directory);
        _disks.Add(disk);
        return disk;
    }

    /// <summary>Remembers what the logs in a folder say, for a test that may fail after they are gone.</summary>
    public void KeepLogs(string folder)
    {
        foreach (string log in Directory.Exists(folder) ? Directory.GetFiles(folder, "*.log", SearchOption.AllDirectories) : [])
        {
            _logs.Add($"--- {log}\n{string.Join('\n', File.ReadAllLines(log).TakeLast(40))}");
        }
    }

    /// <summary>Prints the logs that were kept and those that are there.</summary>
    public void ShowLogs()
    {
        KeepLogs(RuntimeFolder);
        _logs.ForEach(TestContext.Out.WriteLine);
    }

    /// <summary>Fails when a mount, a living process, a loop device or an attachment's folder of this space is left.</summary>
    public void RequireNothingLeft()
    {
        // A process that was told to end while unmounting may take a moment more to leave.
        Wait.Until(TimeSpan.FromSeconds(3), () => LiveProcess.WithCommandLine(Root).Count == 0);
        Assert.Multiple(() =>
        {
            Assert.That(LiveProcess.WithCommandLine(Root), Is.Empty, "processes left");
            Assert.That(Leftovers.Mounts(Root), Is.Empty, "mounts left");
            Assert.That(Leftovers.LoopDevices(Root), Is.Empty, "loop devices left");
            if (Directory.Exists(RuntimeFolder))
            {
                Assert.That(Directory.GetDirectories(RuntimeFolder), Is.Empty, "attachments left");
            }
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Leftovers.Remove(Root);
        Directory.Delete(Root, recursive: true);
    }
}
