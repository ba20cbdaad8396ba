using FuseFront.Driver;
using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>A driver with one queue on a <see cref="FakeDevice"/>, and the ends of its requests in their order.</summary>
internal sealed unsafe class DriverRig : IBlkCompletion, IDisposable
{
    public const int NeverLate = int.MaxValue;

    /// <param name="prepare">Makes the device another one before it is driven.</param>
    public DriverRig(Action<FakeDevice>? prepare = null)
    {
        prepare?.Invoke(Device);
        Driver = new BlkDriver(Device, new BlkDriverOptions { Queues = 1, QueueSize = 16, MaxSlots = 8 });
        Queue = Driver.CreateQueue(0, this);
    }

    public FakeDevice Device { get; } = new();

    public BlkDriver Driver { get; }

    public BlkQueue Queue { get; }

    /// <summary>(slot, status) of each request that has ended.</summary>
    public List<(int Slot, BlkStatus Status)> Ends { get; } = [];

    public void Completed(int slot, BlkStatus status) => Ends.Add((slot, status));

    /// <summary>Writes a sector full of <paramref name="value"/>; returns the slot.</summary>
    public int Write(long sector, byte value)
    {
        Assert.That(Queue.TryTakeSlot(out int slot), Is.True);
        new Span<byte>(Queue.Payload(slot), BlkConfig.SectorSize).Fill(value); // A payload is far larger.
        Queue.Write(slot, sector, Queue.Payload(slot), BlkConfig.SectorSize);
        return slot;
    }

    /// <summary>What a slot's payload begins with.</summary>
    public byte FirstByte(int slot) => *Queue.Payload(slot);

    public int Read(long sector)
    {
        Assert.That(Queue.TryTakeSlot(out int slot), Is.True);
        Queue.Read(slot, sector, Queue.Payload(slot), BlkConfig.SectorSize);
        return slot;
    }

    /// <summary>What the disk does to recover, in one thread.</summary>
    /// <param name="meanwhile">Happens while the rings are clear, and the device has not been started anew.</param>
    public (int Again, int Ended) Recover(int lateTicks = NeverLate, int maxTimeouts = 3, Action? meanwhile = null)
    {
        Queue.Hold();
        Driver.Reset();
        Queue.ClearRing();
        meanwhile?.Invoke();
        Driver.Restart();
        (int Again, int Ended) counts = Queue.Resume(Driver.Doorbells(0), lateTicks, maxTimeouts);
        Queue.Complete();
        return counts;
    }

    public void Dispose() => Driver.Dispose();
}
