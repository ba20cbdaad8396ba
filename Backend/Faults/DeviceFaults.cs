using Backend.Device;
using RingCore.Faults;

namespace Backend.Faults;

/// <summary>The rules about kicks, irqs, the used ring and clients. Any thread.</summary>
internal sealed class DeviceFaults(FaultEngine engine) : IQueueFaults
{
    /// <inheritdoc/>
    public bool LosesKick(int queue) => Outcome(FaultEvent.Kick, queue, out _) is LoseAction;

    /// <inheritdoc/>
    public IrqFault OnIrq(int queue) => Outcome(FaultEvent.Irq, queue, out _) switch
    {
        LoseAction => IrqFault.Lost,
        SpuriousAction => IrqFault.Spurious,
        _ => IrqFault.None,
    };

    /// <inheritdoc/>
    public UsedRingField? OnUsed(int queue, out ulong draw) => (Outcome(FaultEvent.Ring, queue, out draw) as CorruptRingAction)?.Field;

    /// <summary>A client connects; false: it is to be sent away.</summary>
    public bool Admits() => Outcome(FaultEvent.Connect, -1, out _) is not DropAction;

    private FaultAction? Outcome(FaultEvent value, int queue, out ulong draw)
    {
        draw = 0;
        if (engine.Active?.Of(value) is not { } rules)
        {
            return null;
        }

        FaultVerdict verdict = engine.Decide(rules, queue, -1, 0);
        draw = verdict.Draw;
        if (verdict.Outcome is { } rule)
        {
            engine.TryCarryOut(rule, draw);
        }

        return verdict.Outcome?.Action;
    }
}
