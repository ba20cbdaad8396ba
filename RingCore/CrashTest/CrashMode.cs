namespace RingCore.CrashTest;

/// <summary>Which states of the disk are looked at.</summary>
public enum CrashMode
{
    /// <summary>At each flush and mark: what is stable, and all that has completed.</summary>
    Flush,

    /// <summary>After each change: all that has completed.</summary>
    Prefix,

    /// <summary>Between flushes: what is stable, and any part of what is not.</summary>
    Reorder,
}

/// <summary>One state as a mode gives it out: how to build it, and what it holds.</summary>
/// <param name="Mode">Which gave it.</param>
/// <param name="At">The moment: the record that completed last.</param>
/// <param name="StepCount">How many steps of the mode's list it stands on.</param>
/// <param name="Pieces">On top of them, no sector twice.</param>
/// <param name="Hash">Of the content.</param>
/// <param name="Marks">How many marks had been written.</param>
public sealed record Candidate(CrashMode Mode, int At, int StepCount, IReadOnlyList<Piece> Pieces, ulong Hash, int Marks)
{
    /// <summary>As a state of the log.</summary>
    public CrashState State => new(Mode == CrashMode.Prefix ? StateStart.Prefix : StateStart.Cut, At, Pieces);
}
