using FuseFront.Driver;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;
using RingCore.Virtio;

namespace EndToEnd.Transitional;

/// <summary>
/// A modern driver's way to the device, but for its doorbell: it takes the notification capability that lies in I/O space,
/// whose multiplier is 0, so that every queue has the same address and the value written names the queue.
/// </summary>
internal sealed class PioNotifyTransport(VfioUserClient client) : IDriverTransport
{
    private const byte CapabilityVendor = 0x09;
    private const byte NotifyType = 2;
    private readonly VirtioPciTransport _modern = new(client);

    /// <summary>Doorbells of the I/O BAR, fetched when the first queue is rung.</summary>
    public IoEventFdTable<EventFd> Doorbells { get; private set; } = IoEventFdTable<EventFd>.Empty;

    public byte Status
    {
        get => _modern.Status;
        set => _modern.Status = value;
    }

    public VirtioFeatures OfferedFeatures => _modern.OfferedFeatures;

    public int QueueCount => _modern.QueueCount;

    public FileDescriptor Connection => _modern.Connection;

    public string Description => _modern.Description;

    public void AcceptFeatures(VirtioFeatures features) => _modern.AcceptFeatures(features);

    public BlkConfig ReadConfig() => _modern.ReadConfig();

    public ushort MaxQueueSize(int index) => _modern.MaxQueueSize(index);

    public void MapMemory(DmaMemory memory) => _modern.MapMemory(memory);

    public void EnableQueue(in QueueSetup queue) => _modern.EnableQueue(queue);

    public void BindInterrupts(EventNotifier config, IReadOnlyList<EventNotifier> queues) => _modern.BindInterrupts(config, queues);

    public void PlaceQueue(int index, PlacementHint hint) => _modern.PlaceQueue(index, hint);

    public bool TakesPlacement(int index) => _modern.TakesPlacement(index);

    public Action Doorbell(int index)
    {
        (int bar, uint offset) = FindDoorbell();
        if (Doorbells.Entries.IsEmpty)
        {
            Doorbells = client.GetIoEventFds(bar);
        }

        EventFd? notifier = Doorbells.Match(offset, sizeof(ushort), (ushort)index);
        Assert.That(notifier, Is.Not.Null, $"the doorbell table has queue {index}");
        return () => notifier!.Signal();
    }

    public void Dispose()
    {
        _modern.Dispose();
        foreach (IoEventFd<EventFd> doorbell in Doorbells.Entries)
        {
            doorbell.Target.Dispose();
        }
    }

    private (int Bar, uint Offset) FindDoorbell()
    {
        for (int at = client.Read<byte>(VfioPciRegion.Config, 0x34); at != 0; at = client.Read<byte>(VfioPciRegion.Config, (ulong)at + 1))
        {
            int bar = client.Read<byte>(VfioPciRegion.Config, (ulong)at + 4);
            if (client.Read<byte>(VfioPciRegion.Config, (ulong)at) == CapabilityVendor
                && client.Read<byte>(VfioPciRegion.Config, (ulong)at + 3) == NotifyType
                && (client.Read<uint>(VfioPciRegion.Config, 0x10 + (4 * (ulong)bar)) & 1) != 0)
            {
                Assert.That(client.Read<uint>(VfioPciRegion.Config, (ulong)at + 16), Is.Zero, "multiplier");
                return (bar, client.Read<uint>(VfioPciRegion.Config, (ulong)at + 8));
            }
        }

        throw new AssertionException("the device has no doorbell in I/O space");
    }
}
