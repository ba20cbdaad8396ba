using RingCore.Hosting;

namespace Bench.Contestants;

/// <summary>Who takes part.</summary>
internal static class Lineup
{
    private const string Ours = "vdisk";
    private const string RawName = "raw";
    private const long Tebibyte = 1L << 40;

    /// <summary>What each mechanism buys: our disk as it is, and with one thing changed.</summary>
    private static readonly (string Variant, string Options)[] MatrixVariants =
    [
        ("no-event-idx", "--without-features event-idx"),
        ("no-indirect", "--without-features indirect"),
        ("neither", "--without-features event-idx,indirect"),
        ("queue-size-32", "--queue-size 32"),
        ("queue-size-512", "--queue-size 512"),
        ("poll-never", "--poll-max-ns 0"),
        ("poll-50us", "--poll-max-ns 50000"),
        ("without-twins", "--without-twins"),
        ("iothreads-0", "--iothreads 0"),
        ("iothreads-1", "--iothreads 1"),
        ("queues-1", "--queues 1"),
        ("affinity-cpu", "--affinity cpu"),
        ("affinity-none", "--affinity none"),
        ("aio-threads", "--aio threads"),
        ("fuse-dev", "--fuse dev"),
        ("fuse-uring", "--fuse uring"),
    ];

    /// <summary>The fault filter in the way: without a rule, and with one that is asked about every request and never strikes.</summary>
    private static readonly (string Variant, string Rules)[] FaultVariants =
    [
        ("fault-filter", ""),
        ("fault-rule", "on any skip 1000000000000 fail EIO"),
    ];

    /// <summary>Our disk, once for each way of FUSE that was asked for.</summary>
    public static IEnumerable<Contestant> Disks(string[] transports, string sockets)
    {
        if (transports.Length < 2)
        {
            yield return Disk(Ours, transports.Length == 0 ? [] : ["--fuse", transports[0]], sockets, required: true);
            yield break;
        }

        foreach (string transport in transports.Distinct())
        {
            yield return Disk($"{Ours}/{transport}", ["--fuse", transport], sockets, required: true);
        }
    }

    /// <summary>A variant from the command line: <c>NAME=OPTIONS</c>.</summary>
    /// <exception cref="UserErrorException">It is none.</exception>
    public static Contestant Variant(string text, string sockets)
    {
        string[] parts = text.Split('=', 2);
        return parts.Length == 2 && PeerTemplate.IsName(parts[0].Trim())
            ? Disk(parts[0].Trim(), Words(parts[1]), sockets, required: true)
            : throw new UserErrorException(
                $"--vdisk '{text}' is not NAME=OPTIONS, such as 'vdisk/poll=--poll-max-ns 50000'", ExitCodes.Usage);
    }

    public static IEnumerable<Contestant> Matrix(string sockets) =>
    [
        .. MatrixVariants.Select(v => Disk($"{Ours}/{v.Variant}", Words(v.Options), sockets, required: false)),
        .. FaultVariants.Select(v => new VdiskDisk { Name = $"{Ours}/{v.Variant}", Options = [], RuntimeFolder = sockets, FaultRules = v.Rules }),
    ];

    /// <summary>Our disk on a sparse image of a tebibyte: its size is to cost nothing.</summary>
    public static Contestant Huge(string[] transports, string sockets) =>
        Disk($"{Ours}/1T", transports.Length == 0 ? [] : ["--fuse", transports[0]], sockets, required: true, Tebibyte);

    /// <summary>One and the same front, ours, over our backend and over qemu-storage-daemon, with as many queues, all over vhost-user.</summary>
    public static IEnumerable<Contestant> Backends(string[] transports, string sockets)
    {
        const string Qemu = "exec qemu-storage-daemon --blockdev driver=file,node-name=disk,filename={image},discard=unmap";
        string export =
            $" --export type=vhost-user-blk,id=blk,node-name=disk,addr.type=unix,addr.path={{socket}},writable=on,num-queues={DiskOptions.StandardQueues}";
        string ours = PeerTemplate.Quote(Repository.Program("backend"));
        yield return Over("front+ours", $"exec {ours} --image {{image}} --vhost-user {{socket}}", isOurs: true);
        yield return Over("front+qsd", Qemu + export, isOurs: false);
        yield return Over("front+qsd/io_uring", $"{Qemu},aio=io_uring{export}", isOurs: false);

        SharedFront Over(string name, string backend, bool isOurs) => new()
        {
            Name = name,
            Backend = backend,
            IsOurs = isOurs,
            IsRequired = !name.Contains('/', StringComparison.Ordinal),
            Options = transports.Length == 0 ? [] : ["--fuse", transports[0]],
            RuntimeFolder = sockets,
        };
    }

    public static Contestant Raw() => new RawFile { Name = RawName, IsRequired = true };

    /// <summary>Those of <see cref="KnownPeers"/> that are installed; the others become notes.</summary>
    public static IEnumerable<Contestant> Installed(List<string> notes)
    {
        foreach (KnownPeers.Known peer in KnownPeers.All)
        {
            string? missing = peer.Programs.FirstOrDefault(p => !Command.IsInstalled(p));
            if (missing is null)
            {
                yield return new PeerServer { Name = peer.Template.Name, Template = peer.Template };
            }
            else if (!notes.Exists(n => n.StartsWith(Contestant.FamilyOf(peer.Template.Name), StringComparison.Ordinal)))
            {
                notes.Add($"{Contestant.FamilyOf(peer.Template.Name)} was left out: {missing} is not installed ({peer.Remedy})");
            }
        }
    }

    public static Contestant Peer(string text)
    {
        PeerTemplate template = PeerTemplate.Parse(text);
        return new PeerServer { Name = template.Name, Template = template, IsRequired = true };
    }

    /// <summary>Those that are wanted by name or family; all when <paramref name="wanted"/> is empty. Names must differ.</summary>
    /// <exception cref="UserErrorException">Two have one name, or a name means nobody.</exception>
    public static IReadOnlyList<Contestant> Choose(IReadOnlyList<Contestant> all, IReadOnlyList<string> wanted)
    {
        if (all.GroupBy(c => c.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            throw new UserErrorException($"two contestants are called {twice.Key}; give one another name", ExitCodes.Usage);
        }

        string? unknown = wanted.FirstOrDefault(w => !all.Any(c => c.Name == w || c.Family == w));
        return unknown is null
            ? [.. all.Where(c => wanted.Count == 0 || wanted.Contains(c.Name) || wanted.Contains(c.Family))]
            : throw new UserErrorException(
                $"there is no contestant '{unknown}'; there are {string.Join(", ", all.Select(c => c.Name))}", ExitCodes.Usage);
    }

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static VdiskDisk Disk(
        string name, IReadOnlyList<string> options, string sockets, bool required, long? imageLength = null) =>
        new() { Name = name, Options = options, RuntimeFolder = sockets, IsRequired = required, ImageLength = imageLength };
}
