using RingCore.Faults;

namespace Backend.Faults;

/// <summary>What rules do to more than one request. Called on any queue's thread.</summary>
internal interface IFaultHost
{
    /// <summary>Ends this process as SIGKILL does; does not return, save in a test.</summary>
    void Kill(string why);

    /// <summary>Cuts the disk's power; nothing when it is off.</summary>
    void CutPower(PowerCutKeep keep, ulong seed);
}
