using System.Text.Json.Nodes;
using RingCore.CrashTest;

namespace Vdisk.CrashTesting;

/// <summary>A crash test as JSON, for programs.</summary>
internal static class JsonReport
{
    public static JsonObject Of(CrashTestRun run) => new()
    {
        ["passed"] = run.Passed,
        ["log"] = run.LogPath,
        ["base"] = run.BasePath,
        ["check"] = run.Check,
        ["mountCheck"] = run.MountCheck,
        ["seed"] = run.Options.Sampling.Seed,
        ["sectorSize"] = run.Options.Sampling.SectorSize,
        ["records"] = run.Index.Count,
        ["seconds"] = Math.Round(run.Elapsed.TotalSeconds, 3),
        ["basePasses"] = run.Results.BaseVerdict.Passed,
        ["truncatedTail"] = run.Index.Log.Tail?.ToString(),
        ["modes"] = new JsonArray([.. run.Results.Modes.Select(m => (JsonNode)new JsonObject
        {
            ["mode"] = m.Mode.ToString().ToLowerInvariant(),
            ["states"] = m.States,
            ["checked"] = m.Checked,
            ["failed"] = m.Failed,
            ["seconds"] = Math.Round(m.Seconds, 3),
        })]),
        ["failures"] = new JsonArray([.. run.Results.Failures.Select(f => (JsonNode)Failure(run, f))]),
    };

    private static JsonObject Failure(CrashTestRun run, FailingState failing) => new()
    {
        ["mode"] = failing.Candidate.Mode.ToString().ToLowerInvariant(),
        ["record"] = failing.Candidate.At,
        ["mark"] = run.MarkAt(failing.Candidate.At),
        ["state"] = StateSpec.Format(failing.Candidate.State, run.Index),
        ["hash"] = failing.Candidate.Hash.ToString("x16"),
        ["verdict"] = Verdict(failing.Verdict),
        ["rebuild"] = run.RebuildCommand(failing.Candidate.State),
        ["cause"] = failing.Cause is { } cause ? Cause(run, cause) : null,
    };

    private static JsonObject Cause(CrashTestRun run, SmallestCause cause) => new()
    {
        ["state"] = StateSpec.Format(cause.State, run.Index),
        ["applied"] = Pieces(run, cause.Applied),
        ["lost"] = Pieces(run, cause.Lost),
        ["isSmallest"] = cause.IsSmallest,
        ["verdict"] = Verdict(cause.Verdict),
        ["rebuild"] = run.RebuildCommand(cause.State),
    };

    private static JsonArray Pieces(CrashTestRun run, IReadOnlyList<Piece> pieces) => new([.. pieces.Select(p => (JsonNode)new JsonObject
    {
        ["record"] = p.Record,
        ["offset"] = run.Index.StartOf(p) * Piece.SectorSize,
        ["length"] = (long)p.Count * Piece.SectorSize,
        ["text"] = run.Describe(p),
    })]);

    private static JsonObject Verdict(Verdict verdict) => new()
    {
        ["passed"] = verdict.Passed,
        ["exitCode"] = verdict.ExitCode,
        ["timedOut"] = verdict.TimedOut,
        ["output"] = verdict.Output,
    };
}
