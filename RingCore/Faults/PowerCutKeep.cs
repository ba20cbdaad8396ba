namespace RingCore.Faults;

/// <summary>Which writes survive a power cut, of those that no flush made stable.</summary>
public enum PowerCutKeep
{
    /// <summary>None.</summary>
    None,

    /// <summary>All.</summary>
    All,

    /// <summary>Any of them, in any order.</summary>
    Random,

    /// <summary>The same, and of some only single sectors.</summary>
    Torn,
}

/// <summary>The words of <see cref="PowerCutKeep"/>.</summary>
public static class PowerCutKeeps
{
    private static readonly string[] Words = ["none", "all", "random", "torn"];

    public static IReadOnlyList<string> All => Words;

    public static string Word(this PowerCutKeep value) => Words[(int)value];

    public static bool TryParse(string word, out PowerCutKeep value)
    {
        int index = Array.IndexOf(Words, word);
        value = (PowerCutKeep)Math.Max(0, index);
        return index >= 0;
    }
}
