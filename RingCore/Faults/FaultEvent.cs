namespace RingCore.Faults;

/// <summary>What a rule waits for. The first seven are requests, the others happen around them.</summary>
public enum FaultEvent
{
    Read,
    Write,
    Flush,
    Discard,
    WriteZeroes,

    /// <summary>GET_ID: the driver asks for the serial.</summary>
    GetId,

    /// <summary>Any of the requests above.</summary>
    Any,

    /// <summary>A doorbell rung by the driver.</summary>
    Kick,

    /// <summary>An interrupt that the driver is owed.</summary>
    Irq,

    /// <summary>A chain that goes back through the used ring.</summary>
    Ring,

    /// <summary>A client that connects to the device.</summary>
    Connect,
}

/// <summary>The events' words, and what can be said about each.</summary>
public static class FaultEvents
{
    private static readonly string[] Words =
        ["read", "write", "flush", "discard", "write-zeroes", "get-id", "any", "kick", "irq", "ring", "connect"];

    /// <summary>Number of events.</summary>
    public static int Count => Words.Length;

    /// <summary>Every word, in the order of the enumeration.</summary>
    public static IReadOnlyList<string> All => Words;

    public static string Word(this FaultEvent value) => Words[(int)value];

    public static bool TryParse(string word, out FaultEvent value)
    {
        int index = Array.IndexOf(Words, word);
        value = (FaultEvent)Math.Max(0, index);
        return index >= 0;
    }

    /// <summary>It is about a range of the disk, so that <c>at</c> and <c>size</c> make sense.</summary>
    public static bool HasRange(this FaultEvent value) =>
        value is FaultEvent.Read or FaultEvent.Write or FaultEvent.Discard or FaultEvent.WriteZeroes or FaultEvent.Any;

    /// <summary>It happens on one queue.</summary>
    public static bool HasQueue(this FaultEvent value) => value != FaultEvent.Connect;
}
