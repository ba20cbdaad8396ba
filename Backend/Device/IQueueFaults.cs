using RingCore.Faults;

namespace Backend.Device;

/// <summary>
/// Faults on purpose in the notifications and the used ring of a device. A queue asks it only when there is one; every member
/// is called on the thread of the queue it names, or of that queue's twin.
/// </summary>
public interface IQueueFaults
{
    /// <summary>The driver rang: shall nobody hear it?</summary>
    bool LosesKick(int queue);

    /// <summary>An irq is due.</summary>
    IrqFault OnIrq(int queue);

    /// <summary>A chain goes back: what shall be wrong about it? <paramref name="draw"/> is a random number for the how.</summary>
    UsedRingField? OnUsed(int queue, out ulong draw);
}

/// <summary>What becomes of an irq.</summary>
public enum IrqFault
{
    None,

    /// <summary>It is not raised.</summary>
    Lost,

    /// <summary>Another one follows, for nothing.</summary>
    Spurious,
}
