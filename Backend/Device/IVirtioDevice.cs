using RingCore.Virtio;

namespace Backend.Device;

/// <summary>
/// A virtio device as its transport sees it (virtio 1.3 §2). Every member is called on the server's thread; what the
/// data plane does meanwhile is the device's own business.
/// </summary>
public interface IVirtioDevice
{
    /// <summary>Virtio device type, for instance 2 for a block device (§5).</summary>
    ushort DeviceType { get; }

    /// <summary>The feature bits that the device offers (§2.2).</summary>
    ulong OfferedFeatures { get; }

    /// <summary>The queues with the registers that the driver programs.</summary>
    IReadOnlyList<VirtQueue> Queues { get; }

    /// <summary>Size of the device-specific configuration in bytes.</summary>
    int ConfigLength { get; }

    /// <summary>Changes whenever a multi-byte configuration field changes (§2.5.1).</summary>
    byte ConfigGeneration { get; }

    /// <summary>The device status field (§2.1), DEVICE_NEEDS_RESET included.</summary>
    byte Status { get; }

    /// <summary>Reads device-specific configuration; bytes past <see cref="ConfigLength"/> read as zero.</summary>
    void ReadConfig(int offset, Span<byte> data);

    /// <summary>Writes device-specific configuration; what is not writable is ignored.</summary>
    void WriteConfig(int offset, ReadOnlySpan<byte> data);

    /// <summary>
    /// The driver wrote the status field. Zero resets, the queues' registers as well. Clears FEATURES_OK from what is read back when the accepted features
    /// will not do; DRIVER_OK starts the data plane.
    /// </summary>
    void WriteStatus(byte status, ulong acceptedFeatures);

    /// <summary>A doorbell that came as a message and matched no eventfd: serve that queue.</summary>
    void NotifyQueue(int index);

    /// <summary>It can follow hints of <see cref="PlaceQueue"/>.</summary>
    bool TakesPlacement { get; }

    /// <summary>The first queue that is another's twin (<see cref="VirtioBlkConfig.HasTwins"/>), queue 0's; 0 when there are none.</summary>
    int FirstTwin => 0;

    /// <summary>A hint of the driver's: where to serve queue <paramref name="index"/>.</summary>
    void PlaceQueue(int index, PlacementHint hint);

    /// <summary>
    /// Starts queue <paramref name="index"/>, whose registers are set, alone; the device is running (DRIVER_OK). For transports
    /// whose driver starts and stops queues one by one. False, with DEVICE_NEEDS_RESET, when its ring is no good.
    /// </summary>
    bool StartQueue(int index);

    /// <summary>Stops it again, once what it had taken has been answered. Without effect on a queue that does not run.</summary>
    void StopQueue(int index);

    /// <summary>
    /// Stops all request processing and waits until no request is in flight, runs <paramref name="change"/> while it is
    /// quiet (memory map changes), lets the queues look at the memory map anew, and resumes. <paramref name="change"/> runs on
    /// the calling thread, the server's, and must not stop, drain or start anything of this device itself. A request that a fault
    /// rule holds for ever ends with EIO, so that this comes to its end.
    /// </summary>
    void WhileDrained(Action change);

    /// <summary>
    /// Returns once every data-path thread has passed a point where it holds no reference to transport state it read
    /// before this call (an RCU-like grace period). For retiring irq eventfds.
    /// </summary>
    void Synchronize();
}
