using System.CommandLine;
using System.Globalization;
using RingCore.Units;

namespace RingCore.Hosting;

/// <summary>What the <c>fusefront</c> program is told. <see cref="ToArguments"/> and <see cref="Command"/> are each other's inverse.</summary>
public sealed record FrontSettings
{
    /// <summary>Where a backend of ours, or another vfio-user server, serves the device; null for a device behind <see cref="VhostUserSocket"/>.</summary>
    public string? VfioUserSocket { get; init; }

    /// <summary>Where a vhost-user-blk back end serves the device; null for one behind <see cref="VfioUserSocket"/>.</summary>
    public string? VhostUserSocket { get; init; }

    /// <summary>The mount point.</summary>
    public required string Directory { get; init; }

    public int Queues { get; init; } = DiskOptions.StandardQueues;

    public int QueueSize { get; init; } = DiskOptions.StandardQueueSize;

    /// <summary><c>uring</c>, <c>dev</c> or <c>auto</c>.</summary>
    public string Fuse { get; init; } = "auto";

    /// <summary><c>auto</c>, <c>cpu</c> or <c>none</c>.</summary>
    public string Affinity { get; init; } = "auto";

    /// <summary>Nanoseconds; 0 never polls; null: where placement finds a CPU to spare.</summary>
    public long? PollMaxNs { get; init; }

    /// <summary>How long the device may have a request before something is done about it; zero: for ever.</summary>
    public TimeSpan RequestTimeout { get; init; } = DiskOptions.StandardRequestTimeout;

    public bool AllowOther { get; init; }

    public bool NonEmpty { get; init; }

    /// <summary>What the mount table shows as the source; null leaves it to the program.</summary>
    public string? Name { get; init; }

    public string? ControlSocket { get; init; }

    public string LogLevel { get; init; } = LogSetup.Levels[0];

    public string? LogFile { get; init; }

    public bool Detached { get; init; }

    /// <summary>The program's command line, which calls <paramref name="run"/> with what it was told.</summary>
    public static RootCommand Command(Func<FrontSettings, int> run)
    {
        Option<string?> vfioUser = DiskOptions.VfioUser(), vhostUser = DiskOptions.VhostUser();
        Argument<string> directory = OptionFactory.Path("DIR", "where the disk appears, as DIR/disk");
        Option<int> queues = DiskOptions.Queues(), queueSize = DiskOptions.QueueSize();
        Option<string> fuse = DiskOptions.Fuse(), affinity = DiskOptions.Affinity(), level = DiskOptions.LogLevel();
        Option<NumberOrAuto> poll = DiskOptions.PollMaxNs();
        Option<Duration> requestTimeout = DiskOptions.RequestTimeout();
        Option<bool> allowOther = DiskOptions.AllowOther(), nonEmpty = DiskOptions.NonEmpty(), detached = DiskOptions.Detached();
        Option<string?> name = OptionFactory.Text("--name", "NAME", "the source that the mount table shows");
        Option<string?> control = DiskOptions.Control(), logFile = DiskOptions.LogFile();
        var root = new RootCommand("Drives a virtio-blk device over vfio-user or vhost-user and shows it as a file in a FUSE mount.")
        {
            directory, vfioUser, vhostUser, queues, queueSize, fuse, affinity, poll, requestTimeout, allowOther, nonEmpty, name, control,
            level, logFile, detached,
        };
        DiskOptions.RequireOneSocket(root, vfioUser, vhostUser);
        root.SetAction(parsed => run(new FrontSettings
        {
            VfioUserSocket = parsed.GetValue(vfioUser),
            VhostUserSocket = parsed.GetValue(vhostUser),
            Directory = parsed.GetRequiredValue(directory),
            Queues = parsed.GetValue(queues),
            QueueSize = parsed.GetValue(queueSize),
            Fuse = parsed.GetRequiredValue(fuse),
            Affinity = parsed.GetRequiredValue(affinity),
            PollMaxNs = parsed.GetValue(poll).Number,
            RequestTimeout = parsed.GetValue(requestTimeout).ToTimeSpan(),
            AllowOther = parsed.GetValue(allowOther),
            NonEmpty = parsed.GetValue(nonEmpty),
            Name = parsed.GetValue(name),
            ControlSocket = parsed.GetValue(control),
            LogLevel = parsed.GetRequiredValue(level),
            LogFile = parsed.GetValue(logFile),
            Detached = parsed.GetValue(detached),
        }));
        return root;
    }

    /// <summary>The arguments that say the same.</summary>
    public IReadOnlyList<string> ToArguments()
    {
        var line = new ArgumentLine();
        line.Add("--vfio-user", VfioUserSocket).Add("--vhost-user", VhostUserSocket);
        line.Add("--queues", Queues).Add("--queue-size", QueueSize);
        line.Add("--fuse", Fuse).Add("--affinity", Affinity).Add("--poll-max-ns", PollMaxNs?.ToString(CultureInfo.InvariantCulture));
        line.Add("--request-timeout", Duration.From(RequestTimeout).ToString());
        line.AddIf(AllowOther, "--allow-other").AddIf(NonEmpty, "--nonempty").Add("--name", Name);
        line.Add("--control", ControlSocket).Add("--log-level", LogLevel).Add("--log-file", LogFile).AddIf(Detached, "--detached");
        line.AddIf(true, "--").AddIf(true, Directory); // a folder's name may begin with a dash
        return line.Arguments;
    }
}
