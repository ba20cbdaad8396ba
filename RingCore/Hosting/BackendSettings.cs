using System.CommandLine;
using System.Globalization;
using RingCore.Virtio;

namespace RingCore.Hosting;

/// <summary>What the <c>backend</c> program is told. <see cref="ToArguments"/> and <see cref="Command"/> are each other's inverse.</summary>
public sealed record BackendSettings
{
    /// <summary>Where a PCI device is served; either this or <see cref="VhostUserSocket"/>.</summary>
    public string? VfioUserSocket { get; init; }

    /// <summary>Where a vhost-user-blk device is served.</summary>
    public string? VhostUserSocket { get; init; }

    public required string Image { get; init; }

    public bool ReadOnly { get; init; }

    public int Queues { get; init; } = DiskOptions.StandardQueues;

    public int QueueSize { get; init; } = DiskOptions.StandardQueueSize;

    /// <summary>0: no IOThread, the main loop serves every queue.</summary>
    public int IoThreads { get; init; } = DiskOptions.StandardQueues;

    /// <summary>Each queue has a twin, with an IOThread of its own; without effect where not every queue has one.</summary>
    public bool Twins { get; init; }

    public bool HasTwins => Twins && IoThreads >= Queues;

    /// <summary>IOThreads, the twins' own included. More than one to a virtqueue would never get a request.</summary>
    public int UsefulIoThreads => HasTwins ? 2 * Queues : Math.Min(IoThreads, Queues);

    /// <summary>Nanoseconds; 0 never polls; null: where placement finds a CPU to spare.</summary>
    public long? PollMaxNs { get; init; }

    /// <summary><c>io_uring</c> or <c>threads</c>.</summary>
    public string Aio { get; init; } = "io_uring";

    /// <summary><c>none</c>, <c>writeback</c> or <c>writethrough</c>.</summary>
    public string Cache { get; init; } = "writeback";

    /// <summary>Null for none.</summary>
    public string? Serial { get; init; }

    /// <summary>A scenario file with fault rules; null for none.</summary>
    public string? Faults { get; init; }

    /// <summary>Of the rules' chance; null: the backend chooses, and logs it.</summary>
    public long? FaultSeed { get; init; }

    /// <summary>Bytes of a volatile write cache; 0 for none.</summary>
    public long VolatileCache { get; init; }

    /// <summary>The log that every change of the disk goes to; null for none.</summary>
    public string? Record { get; init; }

    /// <summary>Features that the device does not offer (<see cref="FeatureNames"/>).</summary>
    public VirtioFeatures WithheldFeatures { get; init; }

    /// <summary>The device also speaks the legacy interface (virtio 1.3 §4.1.4.10), and has I/O doorbells.</summary>
    public bool Transitional { get; init; }

    public string? ControlSocket { get; init; }

    public string LogLevel { get; init; } = LogSetup.Levels[0];

    public string? LogFile { get; init; }

    public bool Detached { get; init; }

    /// <summary>The program's command line, which calls <paramref name="run"/> with what it was told.</summary>
    public static RootCommand Command(Func<BackendSettings, int> run)
    {
        Option<string?> vfioUser = DiskOptions.ServeVfioUser(), vhostUser = DiskOptions.ServeVhostUser();
        Option<string> image = new("--image") { Description = "the raw image file or block device", HelpName = "IMAGE", Required = true };
        Option<bool> readOnly = DiskOptions.ReadOnly(), detached = DiskOptions.Detached(), transitional = DiskOptions.Transitional();
        Option<bool> twins = DiskOptions.Twins();
        Option<int> queues = DiskOptions.Queues(), queueSize = DiskOptions.QueueSize(), ioThreads = DiskOptions.IoThreads();
        Option<NumberOrAuto> poll = DiskOptions.PollMaxNs();
        Option<string> aio = DiskOptions.Aio(), cache = DiskOptions.Cache(), level = DiskOptions.LogLevel();
        Option<string?> serial = DiskOptions.Serial(), control = DiskOptions.Control(), logFile = DiskOptions.LogFile();
        Option<string?> faults = DiskOptions.Faults();
        Option<long?> faultSeed = DiskOptions.FaultSeed();
        Option<long> volatileCache = DiskOptions.VolatileCache();
        Option<string?> record = DiskOptions.Record();
        Option<VirtioFeatures> without = DiskOptions.WithoutFeatures();
        var root = new RootCommand("Serves a raw image as a virtio-blk device, over vfio-user (PCI) or vhost-user.")
        {
            vfioUser, vhostUser, image, readOnly, queues, twins, queueSize, ioThreads, poll, aio, cache, serial, without, control, level, logFile, detached,
            faults, faultSeed, volatileCache, record, transitional,
        };
        DiskOptions.RequireOneSocket(root, vfioUser, vhostUser);
        root.Validators.Add(result =>
        {
            if (result.GetResult(vhostUser) is not null && result.GetResult(transitional) is not null)
            {
                result.AddError("--transitional is a matter of PCI, which vhost-user has not; take it with --vfio-user");
            }

            if (result.GetResult(vhostUser) is not null && result.GetResult(twins) is not null)
            {
                result.AddError("--twins have to be placed, which vhost-user has no way to; take them with --vfio-user");
            }
        });
        root.SetAction(parsed => run(new BackendSettings
        {
            VfioUserSocket = parsed.GetValue(vfioUser),
            VhostUserSocket = parsed.GetValue(vhostUser),
            Image = parsed.GetRequiredValue(image),
            ReadOnly = parsed.GetValue(readOnly),
            Queues = parsed.GetValue(queues),
            Twins = parsed.GetValue(twins),
            QueueSize = parsed.GetValue(queueSize),
            IoThreads = DiskOptions.IoThreadsGiven(parsed, ioThreads, queues),
            PollMaxNs = parsed.GetValue(poll).Number,
            Aio = parsed.GetRequiredValue(aio),
            Cache = parsed.GetRequiredValue(cache),
            Serial = parsed.GetValue(serial),
            Faults = parsed.GetValue(faults),
            FaultSeed = parsed.GetValue(faultSeed),
            VolatileCache = parsed.GetValue(volatileCache),
            Record = parsed.GetValue(record),
            WithheldFeatures = parsed.GetValue(without),
            Transitional = parsed.GetValue(transitional),
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
        line.Add("--vfio-user", VfioUserSocket).Add("--vhost-user", VhostUserSocket).Add("--image", Image).AddIf(ReadOnly, "--read-only");
        line.Add("--queues", Queues).AddIf(Twins, "--twins").Add("--queue-size", QueueSize).Add("--iothreads", IoThreads).Add("--poll-max-ns", PollMaxNs?.ToString(CultureInfo.InvariantCulture));
        line.Add("--aio", Aio).Add("--cache", Cache).Add("--serial", string.IsNullOrEmpty(Serial) ? null : Serial);
        line.Add("--faults", Faults).Add("--fault-seed", FaultSeed?.ToString(CultureInfo.InvariantCulture));
        line.Add("--volatile-cache", VolatileCache == 0 ? null : VolatileCache.ToString(CultureInfo.InvariantCulture));
        line.Add("--record", Record);
        line.Add("--without-features", FeatureNames.Format(WithheldFeatures)).AddIf(Transitional, "--transitional");
        line.Add("--control", ControlSocket).Add("--log-level", LogLevel).Add("--log-file", LogFile).AddIf(Detached, "--detached");
        return line.Arguments;
    }
}
