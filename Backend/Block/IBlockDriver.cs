using RingCore.Aio;

namespace Backend.Block;

/// <summary>A disk's contents: a file, or a filter over another driver. Thread safe; the I/O goes through its queues.</summary>
public interface IBlockDriver : IDisposable
{
    BlockLimits Limits { get; }

    /// <summary>Opens a path for requests that belongs to <paramref name="context"/> and is used only from its thread.</summary>
    /// <param name="context">Whose thread submits and completes.</param>
    /// <param name="index">Number of the virtqueue that is served through it: filters tell queues apart by it.</param>
    IBlockQueue OpenQueue(AioContext context, int index = 0);
}
