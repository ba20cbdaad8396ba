namespace RingCore.Virtio;

/// <summary>Bits of the device status field (virtio 1.3 §2.1).</summary>
public static class DeviceStatus
{
    public const byte Acknowledge = 1;
    public const byte Driver = 2;
    public const byte DriverOk = 4;
    public const byte FeaturesOk = 8;

    /// <summary>The device met an error that only a reset mends.</summary>
    public const byte NeedsReset = 64;
    public const byte Failed = 128;
}
