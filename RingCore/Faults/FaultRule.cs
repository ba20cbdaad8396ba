namespace RingCore.Faults;

/// <summary>
/// One rule: <c>[NAME:] on EVENT [at RANGE] [CONDITION …] ACTION</c>. Immutable. <see cref="ToString"/> is its text, from which
/// <see cref="RuleParser"/> makes an equal rule again. The grammar is in docs/faults.md.
/// </summary>
public sealed record FaultRule(FaultEvent Event, FaultAction Action)
{
    /// <summary>What <c>remove</c> and <c>wait</c> call it; null for a rule that has only its number.</summary>
    public string? Name { get; init; }

    /// <summary><c>at RANGE</c>.</summary>
    public RuleRange? At { get; init; }

    /// <summary><c>size RANGE</c>: the request's length.</summary>
    public RuleSizes? Size { get; init; }

    /// <summary><c>queue N</c>, counted from 0.</summary>
    public int? Queue { get; init; }

    /// <summary><c>skip N</c>: not the first so many that the rule could have taken.</summary>
    public long? Skip { get; init; }

    /// <summary><c>every N</c>: of those that are left, only every so manieth.</summary>
    public long? Every { get; init; }

    /// <summary><c>count N</c>: at most so many in all.</summary>
    public long? Count { get; init; }

    /// <summary><c>from T</c>: not before this time, in nanoseconds since the rule was added.</summary>
    public long? FromNs { get; init; }

    /// <summary><c>to T</c>: only before this time, in nanoseconds since the rule was added.</summary>
    public long? ToNs { get; init; }

    /// <summary><c>probability P%</c>: above 0, at most 100.</summary>
    public decimal? Probability { get; init; }

    /// <summary><c>when STATE</c>.</summary>
    public string? When { get; init; }

    /// <summary>The rule's text, in the standard order.</summary>
    public override string ToString() => RulePrinter.Print(this);
}

/// <summary>
/// A place on the disk. With an end: every request that touches a byte from <paramref name="Start"/> to before
/// <paramref name="End"/>, and what is done to data is done inside it only. Without: every request that holds that byte.
/// </summary>
public readonly record struct RuleRange(long Start, long? End);

/// <summary>Lengths from <paramref name="Min"/> to <paramref name="Max"/> bytes, both included.</summary>
public readonly record struct RuleSizes(long Min, long Max);
