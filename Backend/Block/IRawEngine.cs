using RingCore.Memory;

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

    /// <summary>
    /// Memory that most transfers are for: its pages may be kept in use by the kernel until the next call. Null when they may
    /// not. With nothing in flight that is for the former memory.
    /// </summary>
    void UseMemory(GuestMemoryMap? memory);
}
