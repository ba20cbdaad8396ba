namespace Backend.Block;

/// <summary>Counters of a block queue, written by its own thread only; readers on others see slightly old values.</summary>
public sealed class BlockQueueStatistics
{
    /// <summary>Requests that were complete before Submit returned.</summary>
    public long InlineCompletions;

    /// <summary>Operations handed to the asynchronous engine, continuations included.</summary>
    public long AsyncSubmissions;

    /// <summary>Of these, reads and writes of memory that the ring knows (registered buffers).</summary>
    public long RegisteredIos;

    /// <summary>System calls made, or wake-ups sent, to start asynchronous operations.</summary>
    public long Enters;

    /// <summary>Reads and writes that moved less than was asked and were continued.</summary>
    public long ShortIos;

    /// <summary>Operations that went through an aligned copy of the data.</summary>
    public long Bounced;
}
