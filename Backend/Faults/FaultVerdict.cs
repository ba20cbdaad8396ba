namespace Backend.Faults;

/// <summary>What the rules together want done to one event. The default is nothing.</summary>
internal struct FaultVerdict
{
    /// <summary>Not before this time, in Stopwatch ticks; 0: at once.</summary>
    public long NotBefore;

    /// <summary>The rule that makes it hang.</summary>
    public ArmedRule? Hang;

    /// <summary>The rule that decides how it ends; null: as it would have.</summary>
    public ArmedRule? Outcome;

    /// <summary>The outcome's random number.</summary>
    public ulong Draw;
}
