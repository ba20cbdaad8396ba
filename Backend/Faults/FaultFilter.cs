using Backend.Block;
using RingCore.Aio;

namespace Backend.Faults;

/// <summary>
/// Does to requests what the rules say. While no rule concerns a request it goes below as it is; in front of a disk that
/// never had a rule there is no such filter at all.
/// </summary>
internal sealed class FaultFilter(IBlockDriver below, FaultEngine engine, PowerSwitch power) : FilterDriver(below)
{
    internal FaultEngine Engine { get; } = engine;

    internal PowerSwitch Power { get; } = power;

    /// <inheritdoc/>
    public override IBlockQueue OpenQueue(AioContext context, int index = 0) =>
        new FaultQueue(this, Below.OpenQueue(context, index), context, index);
}
