using RingCore.Aio;

namespace Backend.Block;

/// <summary>A driver over a driver, which it owns. What a filter does not change goes straight through.</summary>
public abstract class FilterDriver(IBlockDriver below) : IBlockDriver
{
    /// <summary>The driver that requests are handed to.</summary>
    public IBlockDriver Below { get; } = below;

    /// <inheritdoc/>
    public virtual BlockLimits Limits => Below.Limits;

    /// <inheritdoc/>
    public abstract IBlockQueue OpenQueue(AioContext context, int index = 0);

    /// <summary>Closes this and what is below.</summary>
    public virtual void Dispose() => Below.Dispose();
}
