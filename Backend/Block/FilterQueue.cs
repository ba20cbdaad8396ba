using RingCore.Memory;

namespace Backend.Block;

/// <summary>
/// A queue over a queue, which it owns; used on one thread. A request that the filter has no interest in is submitted below
/// as it is, and completes without coming back here.
/// </summary>
public abstract class FilterQueue(IBlockQueue below, int index) : IBlockQueue
{
    /// <summary>The queue that requests are handed to.</summary>
    protected IBlockQueue Below { get; } = below;

    /// <summary>Number of the virtqueue that this serves.</summary>
    protected int Index { get; } = index;

    /// <inheritdoc/>
    public virtual int InFlight => Below.InFlight;

    /// <inheritdoc/>
    public BlockQueueStatistics? Statistics => Below.Statistics;

    /// <inheritdoc/>
    public virtual bool TakesMerged => Below.TakesMerged;

    /// <inheritdoc/>
    public virtual bool TakesGetId => false;

    /// <inheritdoc/>
    public abstract void Submit(BlockRequest request);

    /// <inheritdoc/>
    public virtual void Commit() => Below.Commit();

    /// <inheritdoc/>
    public void UseMemory(GuestMemoryMap? memory) => Below.UseMemory(memory);

    /// <inheritdoc/>
    public virtual void LetGo() => Below.LetGo();

    /// <inheritdoc/>
    public virtual void Dispose() => Below.Dispose();
}
