using RingCore.Memory;

namespace Backend.Block;

/// <summary>
/// One context's way into a driver. <see cref="Submit"/> takes a request; its completion is called on the same thread,
/// either before Submit returns or from the context later. Requests may be held back until <see cref="Commit"/>.
/// </summary>
public interface IBlockQueue : IDisposable
{
    void Submit(BlockRequest request);

    /// <summary>The batch is over: start everything that was held back, with as few system calls as possible.</summary>
    void Commit();

    /// <summary>Requests submitted and not completed.</summary>
    int InFlight { get; }

    /// <summary>Counters, or null for a driver that counts nothing.</summary>
    BlockQueueStatistics? Statistics => null;

    /// <summary>Neighbouring requests may come as one. False where each request of the driver counts by itself.</summary>
    bool TakesMerged => true;

    /// <summary>It wants to see <see cref="BlockOperation.GetId"/>, and completes it itself.</summary>
    bool TakesGetId => false;

    /// <summary>
    /// Where the requests to come have their data, most of them; until the next call. The driver may have the kernel keep the
    /// pages of that memory; null takes this leave back. With no request in flight, on the queue's thread.
    /// </summary>
    void UseMemory(GuestMemoryMap? memory)
    {
    }

    /// <summary>
    /// The queue is about to be drained: whatever is held back on purpose completes soon, with an error where it would have
    /// waited without end. On the queue's thread.
    /// </summary>
    void LetGo()
    {
    }
}
