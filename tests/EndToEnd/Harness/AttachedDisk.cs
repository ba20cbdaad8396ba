using System.Text.Json.Nodes;
using RingCore.Hosting;

namespace EndToEnd.Harness;

/// <summary>A disk that vdisk has attached: its file, its processes, its counters. Disposing detaches it.</summary>
public sealed class AttachedDisk : IDisposable
{
    private readonly TestSpace _space;
    private bool _detached;

    public AttachedDisk(TestSpace space, string image, string directory)
    {
        _space = space;
        Image = image;
        Directory = directory;
        JsonObject entry = space.List().Single(e => (string?)e["place"] == directory);
        Logs = (string)entry["logs"]!;
        FrontPid = (int)entry["front"]!["pid"]!;
        BackendPid = (int?)entry["backend"]?["pid"] ?? 0;
    }

    public string Image { get; }

    /// <summary>The mount point.</summary>
    public string Directory { get; }

    /// <summary>The disk's file.</summary>
    public string DiskFile => Path.Combine(Directory, "disk");

    /// <summary>The folder of both logs.</summary>
    public string Logs { get; }

    public string BackendLog => File.ReadAllText(Path.Combine(Logs, "backend.log"));

    public string FrontLog => File.ReadAllText(Path.Combine(Logs, "fusefront.log"));

    public int FrontPid { get; }

    /// <summary>0 when the disk is served by a back end that vdisk did not start.</summary>
    public int BackendPid { get; }

    /// <summary>The counters of both processes.</summary>
    public DiskStats Stats() => DiskStats.Parse(_space.Vdisk("stats", Directory, "--json").Succeeded().Output);

    /// <summary>The front's counters: all there are of a disk whose back end vdisk did not start.</summary>
    public FrontStats FrontStats() =>
        StatsJson.ToFrontStats(JsonNode.Parse(_space.Vdisk("stats", Directory, "--json").Succeeded().Output)!["front"]!.AsObject());

    /// <summary>Runs <c>vdisk fault COMMAND</c> on it.</summary>
    public RunResult Fault(string command, params string[] arguments) => _space.Vdisk(["fault", command, Directory, .. arguments]);

    /// <summary>What <c>vdisk fault list --json</c> says of a rule.</summary>
    public JsonObject FaultRule(string name) =>
        JsonNode.Parse(Fault("list", "--json").Succeeded().Output)!["rules"]!.AsArray().Single(r => (string?)r!["name"] == name)!.AsObject();

    /// <summary>Detaches, which must succeed.</summary>
    public void Detach()
    {
        _detached = true;
        _space.KeepLogs(Logs);
        _space.Vdisk("detach", Directory).Succeeded();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_detached)
        {
            Detach();
        }
    }
}

/// <summary>What <c>vdisk stats --json</c> prints.</summary>
public sealed record DiskStats(FrontStats Front, BackendStats Backend)
{
    public static DiskStats Parse(string json)
    {
        JsonNode both = JsonNode.Parse(json)!;
        return new DiskStats(
            StatsJson.ToFrontStats(both["front"]!.AsObject()),
            StatsJson.ToBackendStats(both["backend"]!.AsObject()));
    }

    /// <summary>Requests by type that the front's queues completed, all queues together.</summary>
    public OperationStats FrontTotal => Total(Front.Queues.Select(q => q.Operations));

    /// <inheritdoc cref="FrontTotal"/>
    public OperationStats BackendTotal => Total(Backend.Queues.Select(q => q.Operations));

    private static OperationStats Total(IEnumerable<OperationStats> queues) => queues.Aggregate((a, b) => new OperationStats
    {
        Read = a.Read + b.Read,
        Write = a.Write + b.Write,
        Flush = a.Flush + b.Flush,
        Discard = a.Discard + b.Discard,
        WriteZeroes = a.WriteZeroes + b.WriteZeroes,
        Other = a.Other + b.Other,
    });
}

/// <summary>What <c>vdisk list --json</c> prints.</summary>
public static class DiskList
{
    public static IReadOnlyList<JsonObject> List(this TestSpace space) =>
        [.. JsonNode.Parse(space.Vdisk("list", "--json").Succeeded().Output)!.AsArray().Select(n => n!.AsObject())];
}
