namespace RingCore.Virtio;

/// <summary>What a driver may say about where its requests come from.</summary>
public enum PlacementKind
{
    /// <summary>Nothing: a queue is served wherever the kernel likes.</summary>
    Anywhere,

    /// <summary>A queue had better be served on the CPU.</summary>
    On,

    /// <summary>
    /// The CPU is the application's and the driver's, and others are idle: a queue had better be served on one of those, by a
    /// thread that looks for work a while before it sleeps.
    /// </summary>
    Beside,
}

/// <summary>
/// A hint of the driver's about where the device had better serve a queue: one u32, written to the queue's register in the
/// device area of our own backend (docs/architecture.md).
/// </summary>
/// <param name="Kind">What is meant.</param>
/// <param name="Cpu">The CPU that it is about, from 0; -1 with <see cref="PlacementKind.Anywhere"/>.</param>
public readonly record struct PlacementHint(PlacementKind Kind, int Cpu)
{
    private const uint AnywhereValue = uint.MaxValue;
    private const uint BesideFlag = 1u << 31;

    /// <summary>No wish.</summary>
    public static PlacementHint Anywhere { get; } = new(PlacementKind.Anywhere, -1);

    public static PlacementHint On(int cpu) => new(PlacementKind.On, cpu);

    public static PlacementHint Beside(int cpu) => new(PlacementKind.Beside, cpu);

    /// <summary>What a register holds; every value means something.</summary>
    public static PlacementHint FromRegister(uint value) => value switch
    {
        AnywhereValue => Anywhere,
        >= BesideFlag => Beside((int)(value & ~BesideFlag)),
        _ => On((int)value),
    };

    /// <summary>The register's value that means this.</summary>
    public uint ToRegister() => Kind switch
    {
        PlacementKind.Beside => BesideFlag | (uint)Cpu,
        PlacementKind.On => (uint)Cpu,
        _ => AnywhereValue,
    };

    public override string ToString() => Kind == PlacementKind.Anywhere ? "anywhere" : $"{(Kind == PlacementKind.On ? "on" : "beside")} CPU {Cpu}";
}
