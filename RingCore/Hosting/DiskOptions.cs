using System.CommandLine;
using RingCore.Units;
using RingCore.Virtio;

namespace RingCore.Hosting;

/// <summary>
/// The options that more than one program takes, each defined once: name, range, standard value, help. Every call makes a
/// new one, since an option belongs to one command.
/// </summary>
public static class DiskOptions
{
    public const int MaxQueues = 64;
    public const int MinQueueSize = 16;
    public const int MaxQueueSize = 1024;
    public const int StandardQueueSize = 128;
    public const string AffinityByLoad = "auto";
    public const long MaxPollNs = 1_000_000_000;

    /// <summary>VIRTIO_BLK_ID_BYTES (virtio 1.3 §5.2.6).</summary>
    public const int MaxSerialBytes = 20;

    /// <summary>As Linux has it for disks (/sys/block/*/device/timeout).</summary>
    public static readonly TimeSpan StandardRequestTimeout = TimeSpan.FromSeconds(30);

    /// <summary>One queue to a CPU, as FUSE over io_uring has it; at most eight unless asked for.</summary>
    public static int StandardQueues => Math.Clamp(Environment.ProcessorCount, 1, 8);

    public static Option<int> Queues() =>
        OptionFactory.Number("--queues", "request queues, each with a thread on either side", 1, MaxQueues, StandardQueues);

    public static Option<bool> Twins() => OptionFactory.Flag(
        "--twins", "each queue has a second virtqueue with an IOThread of its own: a driver that knows it can have two threads serve one stream");

    public static Option<bool> WithoutTwins() => OptionFactory.Flag(
        "--without-twins", "queues have no second virtqueue, and it no thread, to measure what it buys");

    public static Option<int> QueueSize() =>
        OptionFactory.PowerOfTwo("--queue-size", "descriptors of each queue's ring", MinQueueSize, MaxQueueSize, StandardQueueSize);

    /// <summary>Read it with <see cref="IoThreadsGiven"/>: as many as queues unless it is given.</summary>
    public static Option<int> IoThreads() => OptionFactory.Number(
        "--iothreads", "threads that serve the queues, one to each unless given; 0 serves all in the main loop", 0, MaxQueues, (int?)null);

    /// <summary>What <c>--iothreads</c> says, or else the number of queues.</summary>
    public static int IoThreadsGiven(ParseResult parsed, Option<int> ioThreads, Option<int> queues) =>
        parsed.GetValue(parsed.GetResult(ioThreads) is null ? queues : ioThreads);

    public static Option<NumberOrAuto> PollMaxNs() => OptionFactory.NumberOrAuto(
        "--poll-max-ns", "longest busy-polling before sleeping, in ns; 0 never polls; auto: where placement finds a CPU to spare", 0, MaxPollNs);

    public static Option<string> Aio() => OptionFactory.Choice("--aio", "how the image is read and written", "io_uring", "threads");

    public static Option<string> Cache() => OptionFactory.Choice(
        "--cache", "none: O_DIRECT; writeback: page cache; writethrough: each write is stable", "writeback", "none", "writethrough");

    public static Option<string> Fuse() => OptionFactory.Choice(
        "--fuse", "FUSE over io_uring, over /dev/fuse, or the best there is", "auto", "uring", "dev");

    /// <summary>Names of <see cref="FeatureNames"/>; nothing is withheld when it is absent.</summary>
    public static Option<VirtioFeatures> WithoutFeatures() => new("--without-features")
    {
        Description = $"virtio features that the device does not offer, to measure what they buy: {FeatureNames.All}",
        HelpName = "NAME,…",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (!FeatureNames.TryParse(text, out VirtioFeatures features, out string? unknown))
            {
                result.AddError($"--without-features '{unknown}' is not one of {FeatureNames.All}");
            }

            return features;
        },
    };

    public static Option<bool> Transitional() => OptionFactory.Flag(
        "--transitional", "a transitional virtio-pci device: legacy drivers can use it too, and doorbells are also in I/O space");

    public static Option<string> Affinity() => OptionFactory.Choice(
        "--affinity", "where threads run: by load, one CPU a queue, or wherever the kernel likes", AffinityByLoad, "cpu", "none");

    public static Option<Duration> RequestTimeout() => OptionFactory.Time(
        "--request-timeout",
        "how long the device may have a request before the front kicks again, and then resets it; 0: for ever",
        new Duration(100_000_000),
        Duration.FromSeconds(3600),
        Duration.From(StandardRequestTimeout),
        orNone: true);

    public static Option<bool> ReadOnly() => OptionFactory.Flag("--read-only", "refuse writes");

    public static Option<bool> AllowOther() => OptionFactory.Flag("--allow-other", "let other users see the mount");

    public static Option<bool> NonEmpty() => OptionFactory.Flag("--nonempty", "mount over a folder that holds files");

    public static Option<string?> Serial()
    {
        Option<string?> option = OptionFactory.Text("--serial", "S", $"the disk's serial, up to {MaxSerialBytes} printable ASCII characters");
        option.Validators.Add(result =>
        {
            string serial = result.GetValueOrDefault<string?>() ?? "";
            if (serial.Length > MaxSerialBytes || serial.Any(c => c is < ' ' or > '~'))
            {
                result.AddError($"--serial '{serial}' is not up to {MaxSerialBytes} printable ASCII characters");
            }
        });
        return option;
    }

    public static Option<string?> Faults() => OptionFactory.Text("--faults", "FILE", "fault rules from the start: see docs/faults.md");

    public static Option<string?> Record() =>
        OptionFactory.Text("--record", "FILE", "write every change of the disk to this new log: see docs/crash-testing.md");

    public static Option<long?> FaultSeed() => OptionFactory.OptionalNumber("--fault-seed", "seed of the rules' chance", 0, long.MaxValue);

    public static Option<long> VolatileCache() => OptionFactory.SizeOption(
        "--volatile-cache", "hold so many bytes of writes until they are flushed; a power cut loses them");

    public static Option<string> LogLevel() => OptionFactory.Choice("--log-level", "what is logged", LogSetup.Levels);

    public static Option<string?> LogFile() => OptionFactory.Text("--log-file", "FILE", "append the log to this file, not to stderr");

    public static Option<string?> Control() => OptionFactory.Text("--control", "SOCKET", "answer JSON requests on this socket");

    public static Option<string?> ServeVfioUser() => OptionFactory.Text("--vfio-user", "SOCKET", "serve a PCI device at this vfio-user socket");

    public static Option<string?> ServeVhostUser() => OptionFactory.Text("--vhost-user", "SOCKET", "serve a vhost-user-blk device at this socket");

    public static Option<string?> VfioUser() => OptionFactory.Text("--vfio-user", "SOCKET", "the device's vfio-user socket");

    public static Option<string?> VhostUser() => OptionFactory.Text("--vhost-user", "SOCKET", "the device's vhost-user socket");

    /// <summary>A command line of <paramref name="command"/> must have one of two sockets, and not both.</summary>
    public static void RequireOneSocket(Command command, Option first, Option second) => command.Validators.Add(result =>
    {
        if ((result.GetResult(first) is null) == (result.GetResult(second) is null))
        {
            result.AddError($"take one of {first.Name} SOCKET and {second.Name} SOCKET");
        }
    });

    public static Option<bool> Detached() =>
        OptionFactory.Flag("--detached", "leave the terminal, and say 'ready' on standard output when serving");
}
