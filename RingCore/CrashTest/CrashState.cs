namespace RingCore.CrashTest;

/// <summary>What a <see cref="CrashState"/> starts from.</summary>
public enum StateStart
{
    /// <summary>The base image, without any change.</summary>
    Base,

    /// <summary>What was stable.</summary>
    Cut,

    /// <summary>Everything that had completed.</summary>
    Prefix,
}

/// <summary>One content of the disk: a start at a moment of the log, and pieces on top of it, applied in their order.</summary>
/// <param name="Start">What it starts from.</param>
/// <param name="At">The moment: the number of the record that completed last.</param>
/// <param name="Pieces">On top of that.</param>
public sealed record CrashState(StateStart Start, int At, IReadOnlyList<Piece> Pieces)
{
    /// <summary>The form that <see cref="StateSpec"/> reads.</summary>
    public override string ToString() => StateSpec.Format(this);
}
