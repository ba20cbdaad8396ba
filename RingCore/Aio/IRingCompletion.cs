namespace RingCore.Aio;

/// <summary>Takes the completions of a <see cref="RingClient"/>; on the loop's thread, before the ready handlers of the round.</summary>
public interface IRingCompletion
{
    /// <summary>The operation <paramref name="tag"/> has ended with what its system call would have returned, or a negative errno.</summary>
    void Completed(uint tag, int result);

    /// <summary>All completions that the round brought have been delivered: the time to publish what they led to.</summary>
    void EndBatch();
}
