using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>
/// How a driver reaches its virtio device: registers, memory, interrupts, doorbells. Used by one thread (the main loop's),
/// except for the doorbells, which each queue's thread rings.
/// </summary>
public interface IDriverTransport : IDisposable
{
    /// <summary>
    /// The device status field (virtio 1.3 §2.1). Writing 0 resets, and returns once the reset is done: from then on the device
    /// touches nothing of the memory, and features, memory, queues, interrupts and doorbells are to be set up anew. May come at
    /// any time; nobody rings a doorbell meanwhile.
    /// </summary>
    byte Status { get; set; }

    /// <summary>What the device offers.</summary>
    VirtioFeatures OfferedFeatures { get; }

    /// <summary>Tells the device what the driver accepts; before FEATURES_OK.</summary>
    void AcceptFeatures(VirtioFeatures features);

    /// <summary>Reads the block device's configuration, consistently.</summary>
    BlkConfig ReadConfig();

    /// <summary>Queues that the device has, whatever its configuration says.</summary>
    int QueueCount { get; }

    /// <summary>Largest size of a queue; 0 when it does not exist.</summary>
    ushort MaxQueueSize(int index);

    /// <summary>Lets the device see the memory.</summary>
    void MapMemory(DmaMemory memory);

    /// <summary>Programs and enables a queue, whose memory is mapped already.</summary>
    /// <param name="queue">What the device is to know of it.</param>
    void EnableQueue(in QueueSetup queue);

    /// <summary>
    /// Binds the notifiers to the device's interrupts: one for configuration changes and one for each queue.
    /// </summary>
    void BindInterrupts(EventNotifier config, IReadOnlyList<EventNotifier> queues);

    /// <summary>
    /// How to ring a queue's doorbell; after <see cref="EnableQueue"/>, until the next reset. The result may be called on any one
    /// thread.
    /// </summary>
    Action Doorbell(int index);

    /// <summary>
    /// Tells the device where a queue had better be served. Any thread; ignored by a device that takes no hints.
    /// </summary>
    void PlaceQueue(int index, PlacementHint hint);

    /// <summary>The device takes hints for this queue.</summary>
    bool TakesPlacement(int index);

    /// <summary>
    /// The device has as many virtqueues again, from this one on: one for each queue before, which another thread serves, and for
    /// which it takes hints of its own. 0: it has none.
    /// </summary>
    int FirstTwin => 0;

    /// <summary>Readable when the device's process is gone; not when it only says something.</summary>
    FileDescriptor Connection { get; }

    /// <summary>
    /// Fires when the device has met an error in a ring, which only a reset mends. Null where the device says so in its status
    /// (NEEDS_RESET) and by a configuration interrupt. The transport's, until it is disposed.
    /// </summary>
    EventNotifier? RingErrors => null;

    /// <summary>For log lines.</summary>
    string Description { get; }
}

/// <summary>One queue as the device is told of it. Addresses are device addresses.</summary>
public readonly record struct QueueSetup(
    int Index, ushort Size, ulong DescriptorTable, ulong AvailableRing, ulong UsedRing);
