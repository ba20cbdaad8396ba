namespace RingCore.CrashTest;

/// <summary>A state that failed its check.</summary>
public sealed class FailingState
{
    public required Candidate Candidate { get; init; }

    public required Verdict Verdict { get; init; }

    /// <summary>What it comes down to; null when that was not looked for.</summary>
    public SmallestCause? Cause { get; set; }
}

/// <summary>The least that makes the check fail, found by leaving out what is not needed for that.</summary>
/// <param name="State">A failing state.</param>
/// <param name="Applied">The changes that it has on top of its start, if these are the cause.</param>
/// <param name="Lost">The changes that it lacks, wholly or in parts, of all that had completed or was under way, if these are
/// the cause.</param>
/// <param name="Verdict">What the check says about it.</param>
/// <param name="IsSmallest">False when the search was cut short.</param>
/// <remarks>Neither changes that are there nor lost ones: it fails whatever of the log up to there is on the disk.</remarks>
public sealed record SmallestCause(
    CrashState State, IReadOnlyList<Piece> Applied, IReadOnlyList<Piece> Lost, Verdict Verdict, bool IsSmallest);

/// <summary>What one mode came to.</summary>
/// <param name="Mode">Which.</param>
/// <param name="States">Distinct states it gave.</param>
/// <param name="Checked">Of those, how many no mode before it had given.</param>
/// <param name="Failed">How many of its states fail.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record ModeSummary(CrashMode Mode, long States, long Checked, long Failed, double Seconds);

/// <summary>What a crash test came to.</summary>
/// <param name="Modes">In the order in which they ran.</param>
/// <param name="Failures">In the order of the log, mode by mode; each content once.</param>
/// <param name="BaseVerdict">What the check says about the base image itself.</param>
public sealed record CrashResults(IReadOnlyList<ModeSummary> Modes, IReadOnlyList<FailingState> Failures, Verdict BaseVerdict);
