using System.Numerics;

namespace FuseFront.Disk;

/// <summary>Where an application's thread was seen at the latest looks: whether it stays on a CPU, or wanders about.</summary>
internal sealed class CpuTrail
{
    private const int Looks = 16;

    /// <summary>So many changes of CPU in that many looks make a wanderer; it takes as many looks without one to be none again.</summary>
    private const int MovesOfWanderer = 4;

    private uint _moves; // a bit a look, the latest lowest
    private int _last = -1;
    private bool _wanders;

    /// <summary>One more look has found it on <paramref name="cpu"/>. Tells whether it wanders.</summary>
    public bool Wanders(int cpu)
    {
        bool hasMoved = cpu != _last && _last >= 0;
        _last = cpu;
        _moves = ((_moves << 1) | (hasMoved ? 1u : 0u)) & ((1u << Looks) - 1);
        _wanders = _wanders ? _moves != 0 : BitOperations.PopCount(_moves) >= MovesOfWanderer;
        return _wanders;
    }
}
