namespace RingCore.Faults;

/// <summary>A rule's text is wrong. The message begins with the column, and says what was expected and what was found.</summary>
public sealed class RuleSyntaxException(int column, string problem) : FormatException($"column {column}: {problem}")
{
    /// <summary>Counted from 1.</summary>
    public int Column { get; } = column;
}
