using RingCore.Aio;

namespace Backend.Device;

/// <summary>
/// Which IOThread serves which virtqueue: queues are dealt to them in turn, and a queue's twin goes to the thread after its own.
/// Immutable; any thread.
/// </summary>
/// <param name="threads">May be empty.</param>
/// <param name="queues">Queues without their twins.</param>
internal sealed class QueueThreads(IReadOnlyList<IoThread> threads, int queues)
{
    public IReadOnlyList<IoThread> All => threads;

    /// <summary>Of the queues that are no twins none shares a thread with another.</summary>
    public bool IsOneToAQueue => threads.Count >= queues;

    /// <summary>The index in <see cref="All"/> of the thread that serves virtqueue <paramref name="index"/>; there must be one.</summary>
    public int IndexOf(int index) => (index < queues ? index : index - queues + 1) % threads.Count;
}
