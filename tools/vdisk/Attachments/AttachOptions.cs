using System.CommandLine;
using RingCore.Hosting;
using RingCore.Units;
using RingCore.Virtio;

namespace Vdisk.Attachments;

/// <summary>How the two halves shall serve the disk: the options that <c>attach</c> and <c>mount</c> share.</summary>
internal sealed record AttachOptions
{
    public bool ReadOnly { get; init; }

    public int Queues { get; init; }

    /// <summary>Queues have twins, which placement by load uses.</summary>
    public bool Twins { get; init; }

    public int QueueSize { get; init; }

    public int IoThreads { get; init; }

    public long? PollMaxNs { get; init; }

    public TimeSpan RequestTimeout { get; init; }

    public string Aio { get; init; } = "";

    public string Cache { get; init; } = "";

    public string Fuse { get; init; } = "";

    public string Affinity { get; init; } = "";

    public string? Serial { get; init; }

    public VirtioFeatures WithheldFeatures { get; init; }

    /// <summary>Full path of a scenario with fault rules; null for none.</summary>
    public string? Faults { get; init; }

    /// <summary>Of the rules' chance; null: the backend chooses.</summary>
    public long? FaultSeed { get; init; }

    /// <summary>Bytes of a volatile write cache; 0 for none.</summary>
    public long VolatileCache { get; init; }

    /// <summary>The log that every change of the disk goes to; null for none.</summary>
    public string? Record { get; init; }

    /// <summary>The device also speaks the legacy interface, and has I/O doorbells.</summary>
    public bool Transitional { get; init; }

    /// <summary>An option that was given and is the backend's alone, so that it means nothing for another's back end; null for none.</summary>
    public string? BackendOption { get; init; }

    public bool AllowOther { get; init; }

    public bool NonEmpty { get; init; }

    public string LogLevel { get; init; } = "";

    /// <summary>Adds the options to <paramref name="command"/>; the result reads them.</summary>
    public static Func<ParseResult, AttachOptions> AddTo(Command command)
    {
        Option<bool> readOnly = DiskOptions.ReadOnly(), allowOther = DiskOptions.AllowOther(), transitional = DiskOptions.Transitional();
        Option<bool> withoutTwins = DiskOptions.WithoutTwins();
        Option<int> queues = DiskOptions.Queues(), queueSize = DiskOptions.QueueSize(), ioThreads = DiskOptions.IoThreads();
        Option<NumberOrAuto> poll = DiskOptions.PollMaxNs();
        Option<Duration> requestTimeout = DiskOptions.RequestTimeout();
        Option<string> aio = DiskOptions.Aio(), cache = DiskOptions.Cache(), fuse = DiskOptions.Fuse();
        Option<string> affinity = DiskOptions.Affinity(), level = DiskOptions.LogLevel();
        Option<string?> serial = DiskOptions.Serial(), record = DiskOptions.Record();
        Option<VirtioFeatures> without = DiskOptions.WithoutFeatures();
        Option<string?> faults = DiskOptions.Faults();
        Option<long?> faultSeed = DiskOptions.FaultSeed();
        Option<long> volatileCache = DiskOptions.VolatileCache();
        Option[] backendOnly =
        [
            readOnly, withoutTwins, ioThreads, aio, cache, serial, without, faults, faultSeed, volatileCache, record, transitional,
        ];
        Option[] frontToo = [queues, queueSize, poll, fuse, affinity, requestTimeout, allowOther, level];
        foreach (Option option in frontToo.Concat(backendOnly))
        {
            command.Add(option);
        }

        return parsed => new AttachOptions
        {
            ReadOnly = parsed.GetValue(readOnly),
            Queues = parsed.GetValue(queues),
            Twins = !parsed.GetValue(withoutTwins) && parsed.GetValue(affinity) == DiskOptions.AffinityByLoad,
            QueueSize = parsed.GetValue(queueSize),
            IoThreads = DiskOptions.IoThreadsGiven(parsed, ioThreads, queues),
            PollMaxNs = parsed.GetValue(poll).Number,
            RequestTimeout = parsed.GetValue(requestTimeout).ToTimeSpan(),
            Aio = parsed.GetRequiredValue(aio),
            Cache = parsed.GetRequiredValue(cache),
            Fuse = parsed.GetRequiredValue(fuse),
            Affinity = parsed.GetRequiredValue(affinity),
            Serial = parsed.GetValue(serial),
            WithheldFeatures = parsed.GetValue(without),
            Faults = parsed.GetValue(faults) is { } file ? Path.GetFullPath(file) : null,
            FaultSeed = parsed.GetValue(faultSeed) ?? (parsed.GetValue(faults) is null ? null : Random.Shared.Next()),
            VolatileCache = parsed.GetValue(volatileCache),
            Record = parsed.GetValue(record) is { } log ? Path.GetFullPath(log) : null,
            Transitional = parsed.GetValue(transitional),
            BackendOption = backendOnly.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false })?.Name,
            AllowOther = parsed.GetValue(allowOther),
            LogLevel = parsed.GetRequiredValue(level),
        };
    }

    /// <summary>What the backend of an attachment is told.</summary>
    public BackendSettings ForBackend(AttachmentFolder folder, string image) => new()
    {
        VfioUserSocket = folder.VfioUserSocket,
        Image = image,
        ReadOnly = ReadOnly,
        Queues = Queues,
        Twins = Twins,
        QueueSize = QueueSize,
        IoThreads = IoThreads,
        PollMaxNs = PollMaxNs,
        Aio = Aio,
        Cache = Cache,
        Serial = Serial,
        WithheldFeatures = WithheldFeatures,
        Faults = Faults,
        FaultSeed = FaultSeed,
        VolatileCache = VolatileCache,
        Record = Record,
        Transitional = Transitional,
        ControlSocket = folder.BackendControl,
        LogLevel = LogLevel,
        LogFile = folder.BackendLog,
        Detached = true,
    };

    /// <summary>What its front is told.</summary>
    public FrontSettings ForFront(AttachmentFolder folder, Attachment record) => new()
    {
        VfioUserSocket = record.VhostUserSocket is null ? folder.VfioUserSocket : null,
        VhostUserSocket = record.VhostUserSocket,
        Directory = record.Directory,
        Queues = Queues,
        QueueSize = QueueSize,
        Fuse = Fuse,
        Affinity = Affinity,
        PollMaxNs = PollMaxNs,
        RequestTimeout = RequestTimeout,
        AllowOther = AllowOther,
        NonEmpty = NonEmpty,
        Name = record.Image,
        ControlSocket = folder.FrontControl,
        LogLevel = LogLevel,
        LogFile = folder.FrontLog,
        Detached = true,
    };
}
