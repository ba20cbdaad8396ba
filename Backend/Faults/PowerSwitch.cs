using RingCore.Faults;

namespace Backend.Faults;

/// <summary>The disk's power. While it is off every request ends with EIO. Any thread.</summary>
internal sealed class PowerSwitch
{
    private int _isOff;

    /// <summary>The power went off or on. Any thread.</summary>
    internal event Action? Changed;

    internal bool IsOff => Volatile.Read(ref _isOff) != 0; // partner: the writes below

    internal void Set(bool on)
    {
        Volatile.Write(ref _isOff, on ? 0 : 1); // partner: IsOff
        Changed?.Invoke();
    }
}
