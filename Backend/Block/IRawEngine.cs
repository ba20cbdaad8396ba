namespace Backend.Block;

/// <summary>
/// Carries out the system calls of one queue without blocking its thread. Both methods, the completions and Dispose belong
/// to the queue's thread; disposed with nothing in flight.
/// </summary>
internal interface IRawEngine : IDisposable
{
    /// <summary>Takes a transfer; started by <see cref="Submit"/> at the latest.</summary>
    void Enqueue(RawTransfer transfer);

    /// <summary>Starts everything enqueued, with as few system calls as possible.</summary>
    void Submit();
}
