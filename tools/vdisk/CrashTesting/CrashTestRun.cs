using System.Globalization;
using RingCore.CrashTest;
using RingCore.Log;

namespace Vdisk.CrashTesting;

/// <summary>A crash test that has ended, with all that a report says about it.</summary>
internal sealed record CrashTestRun
{
    public required LogIndex Index { get; init; }

    public required string LogPath { get; init; }

    public required string BasePath { get; init; }

    public required string? Check { get; init; }

    public required string? MountCheck { get; init; }

    public required CrashOptions Options { get; init; }

    public required CrashResults Results { get; init; }

    public required TimeSpan Elapsed { get; init; }

    public bool Passed => Results.Failures.Count == 0;

    /// <summary>Distinct states checked.</summary>
    public long Checked => Results.Modes.Sum(m => m.Checked);

    /// <summary>The command that makes a state's image.</summary>
    public string RebuildCommand(CrashState state) =>
        $"vdisk replay {Word(LogPath)} --base {Word(BasePath)} --state {StateSpec.Format(state, Index)} -o state.img";

    /// <summary>The last mark before a state; null without one.</summary>
    public string? MarkAt(int at) => Index.MarksUpTo(at) is var marks and > 0 ? Index.Marks[marks - 1].Text : null;

    /// <summary>A piece in words: <c>write #12, 4096..8192</c>.</summary>
    public string Describe(Piece piece)
    {
        LogRecord record = Index[piece.Record];
        long start = Index.StartOf(piece) * Piece.SectorSize;
        string part = piece == Index.Whole(piece.Record) ? "" : $" (sectors {piece.Skip} to {piece.Skip + piece.Count - 1} of {record.Length / Piece.SectorSize})";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{record.Operation.Name()} #{piece.Record}, bytes {start}..{start + ((long)piece.Count * Piece.SectorSize)}{part}");
    }

    /// <summary>What a failing state comes down to, in one sentence and a list.</summary>
    public (string Sentence, IReadOnlyList<string> Changes) Explain(FailingState failing)
    {
        if (failing.Cause is not { } cause)
        {
            return ("not looked for; see --minimize", []);
        }

        string cut = cause.IsSmallest ? "" : " (the search was cut short)";
        if (cause.Lost.Count > 0)
        {
            return ($"it fails as soon as these are lost, with all else there that had been sent{cut}:", [.. cause.Lost.Select(Describe)]);
        }

        if (cause.Applied.Count > 0)
        {
            string ground = cause.State.Start == StateStart.Base ? "the base image" : "what is stable";
            return ($"it fails as soon as these are there on top of {ground}{cut}:", [.. cause.Applied.Select(Describe)]);
        }

        return (
            "it fails whatever of the changes up to there is on the disk, all or none: what the check wants had not been written by then", []);
    }

    private static string Word(string path) =>
        path.All(c => char.IsAsciiLetterOrDigit(c) || "/._-+=,@%".Contains(c)) ? path : CommandCheck.Quote(path);
}
