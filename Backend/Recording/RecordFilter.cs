using Backend.Block;
using RingCore.Aio;
using RingCore.Log;

namespace Backend.Recording;

/// <summary>
/// Writes down in a log every request that changes the disk or makes changes stable, when it completes, and before whoever
/// asked for it learns that. Reads pass by. Owns the log, which is whole when this is disposed.
/// </summary>
internal sealed class RecordFilter(IBlockDriver below, LogWriter log) : FilterDriver(below)
{
    /// <summary>Where it goes.</summary>
    internal LogWriter Log { get; } = log;

    /// <inheritdoc/>
    public override IBlockQueue OpenQueue(AioContext context, int index = 0) => new RecordQueue(Log, Below.OpenQueue(context, index), index);

    /// <inheritdoc/>
    public override void Dispose()
    {
        Log.Dispose();
        base.Dispose();
    }
}
