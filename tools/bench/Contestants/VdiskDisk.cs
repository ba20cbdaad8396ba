using System.Text.Json;
using System.Text.Json.Nodes;
using Bench.Measuring;
using RingCore.Hosting;

namespace Bench.Contestants;

/// <summary>Our disk, attached with given options.</summary>
internal sealed class VdiskDisk : Contestant
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Options of <c>vdisk attach</c>.</summary>
    public required IReadOnlyList<string> Options { get; init; }

    /// <summary>Text of a scenario of fault rules, which puts the fault filter in the way of requests even if it has none; null for no scenario.</summary>
    public string? FaultRules { get; init; }

    /// <summary>What is attached in the place of the image: a disk that another process serves.</summary>
    public string? Attaches { get; init; }

    public override ContestantKind Kind => ContestantKind.Ours;

    public override string Description => string.Join(' ', ["vdisk attach", .. Options])
        + FaultRules switch { null => "", "" => " --faults FILE without a rule", _ => $" --faults FILE with '{FaultRules}'" };

    /// <summary>vdisk's private folder of sockets and logs is kept out of the user's own.</summary>
    public required string RuntimeFolder { get; init; }

    public override Serving Start(ContestantFolder folder, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();

        // Not ended by us: a Ctrl-C reaches it too, and it tidies up itself.
        Command.Outcome outcome = Vdisk("attach", ["attach", .. Options, .. FaultOptions(folder), "--", Attaches ?? folder.Image, folder.Mount]);
        Attached attached = new(this, folder);
        if (outcome.ExitCode == 0)
        {
            return attached;
        }

        cancel.ThrowIfCancellationRequested();
        throw new UserErrorException($"{Name} does not start: {outcome.Complaint}");
    }

    private string[] FaultOptions(ContestantFolder folder)
    {
        if (FaultRules is null)
        {
            return [];
        }

        File.WriteAllText(folder.FaultRules, FaultRules + "\n");
        return ["--faults", folder.FaultRules];
    }

    private Command.Outcome Vdisk(string what, IReadOnlyList<string> arguments)
    {
        try
        {
            return Command.Run(
                Repository.Vdisk(), arguments, Patience, CancellationToken.None, (RingCore.Hosting.RuntimeFolder.Variable, RuntimeFolder));
        }
        catch (UserErrorException e)
        {
            throw new UserErrorException($"{Name}, {what}: {e.Message}", e);
        }
    }

    private sealed class Attached(VdiskDisk disk, ContestantFolder folder) : Serving
    {
        private int[] _processes = [];

        public override string File => folder.File;

        public override void Verify() => MountCheck.RequireFuse(folder);

        public override IReadOnlyList<int> Processes() =>
            _processes.Length > 0 ? _processes : _processes = [.. ((int[])[Counters().FrontPid, Counters().BackendPid]).Where(pid => pid != 0)];

        public override VdiskCounters Counters()
        {
            Command.Outcome outcome = disk.Vdisk("stats", ["stats", folder.Mount, "--json"]);
            if (outcome.ExitCode != 0)
            {
                throw new UserErrorException($"{disk.Name} gives no statistics: {outcome.Complaint}");
            }

            try
            {
                JsonObject stats = JsonNode.Parse(outcome.Output)!.AsObject();
                return VdiskCounters.Of(
                    StatsJson.ToFrontStats(stats["front"]!.AsObject()),
                    disk.Attaches is null ? StatsJson.ToBackendStats(stats["backend"]!.AsObject()) : null);
            }
            catch (Exception e) when (e is JsonException or NullReferenceException or InvalidOperationException)
            {
                throw new UserErrorException($"{disk.Name}'s statistics cannot be read ({e.Message}); one of its processes has ended", e);
            }
        }

        public override void Dispose()
        {
            Command.Outcome outcome = disk.Vdisk("detach", ["detach", "--lazy", "--", folder.Mount]);
            if (outcome.ExitCode != 0)
            {
                throw new UserErrorException($"{disk.Name} cannot be detached: {outcome.Complaint}");
            }
        }
    }
}
