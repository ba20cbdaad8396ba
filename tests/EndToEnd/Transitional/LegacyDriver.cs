using FuseFront.Driver;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;
using RingCore.Virtio;

namespace EndToEnd.Transitional;

/// <summary>
/// A driver that knows virtio only as it was before 1.0 (virtio 1.3 §4.1.4.10): the registers at the beginning of I/O BAR 0, a
/// page number for a whole queue, 32 feature bits, no FEATURES_OK. Its doorbell is one address for every queue: which queue
/// it rings, the doorbell table tells from the value.
/// </summary>
internal sealed unsafe class LegacyDriver : IDisposable
{
    private const int Bar = VfioPciRegion.Bar0;
    private const int HostFeatures = 0;
    private const int GuestFeatures = 4;
    private const int QueuePfn = 8;
    private const int QueueSize = 12;
    private const int QueueSelect = 14;
    private const int QueueNotify = 16;
    private const int StatusRegister = 18;
    private const int IsrRegister = 19;
    private const int ConfigVectorRegister = 20;
    private const int QueueVectorRegister = 22;
    private const ulong ConfigWithoutMsix = 20;
    private const ulong ConfigWithMsix = 24;
    private const int Page = 4096;

    private const int CommandRegister = 4;
    private const ushort IoMemoryAndBusMaster = 7;
    private const int BarRegister = 0x10;
    private readonly bool _msix;
    private readonly DmaMemory _memory;
    private readonly EventNotifier[] _irqs;

    /// <summary>Brings the device into service with as many queues as there are, each with an interrupt of its own, or all with INTx.</summary>
    public LegacyDriver(string socket, int queues, VirtioFeatures refused, bool msix)
    {
        _msix = msix;
        Client = VfioUserClient.Connect(socket, Tool.StandardTimeout);
        RequireTransitional();
        Status = 0;
        Status = DeviceStatus.Acknowledge | DeviceStatus.Driver;
        Features = (VirtioFeatures)Client.Read<uint>(Bar, HostFeatures) & ~refused;
        Client.Write(Bar, GuestFeatures, (uint)Features);
        ushort size = SizeOf(0);
        long queueBytes = LegacyQueue.BytesFor(size);
        _memory = new DmaMemory(queues * queueBytes);
        Client.MapDma(_memory.Iova, _memory.Length, _memory.Descriptor);
        _irqs = [.. Enumerable.Range(0, msix ? queues + 1 : 1).Select(_ => new EventNotifier())];
        Client.SetIrqs(msix ? VfioPciIrq.Msix : VfioPciIrq.Intx, 0, [.. _irqs.Select(irq => irq.WriteDescriptor)]);
        if (msix)
        {
            VirtioPciCapabilities.Find(Client).EnableMsix(Client);
            Client.Write(Bar, ConfigVectorRegister, (ushort)0);
        }

        Queues = [.. Enumerable.Range(0, queues).Select(index => SetUp(index, index * queueBytes))];
        Status = DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.DriverOk;
        Doorbells = Client.GetIoEventFds(Bar);
    }

    public VfioUserClient Client { get; }

    public VirtioFeatures Features { get; }

    public IReadOnlyList<LegacyQueue> Queues { get; }

    /// <summary>What can be rung without a message, as the device told it.</summary>
    public IoEventFdTable<EventFd> Doorbells { get; }

    public byte Status
    {
        get => Client.Read<byte>(Bar, StatusRegister);
        private set => Client.Write(Bar, StatusRegister, value);
    }

    /// <summary>INTx is a level, which goes down when the ISR register is read; without that no further interrupt comes.</summary>
    public void EndInterrupt()
    {
        if (!_msix)
        {
            Assert.That(Client.Read<byte>(Bar, IsrRegister) & 2, Is.Zero, "no configuration change");
        }
    }

    /// <summary>Sectors, from the device's configuration, which lies behind the vectors' registers when there are any.</summary>
    public ulong Capacity => Client.Read<ulong>(Bar, _msix ? ConfigWithMsix : ConfigWithoutMsix);

    /// <summary>As a guest's write of the queue's number is taken by a hypervisor: looked up in the table, and only there.</summary>
    public EventFd? Match(ushort queue) => Doorbells.Match(QueueNotify, sizeof(ushort), queue);

    /// <summary>As a guest's write that no table caught: a message.</summary>
    public void KickByMessage(ushort queue) => Client.Post(Bar, QueueNotify, queue);

    public ushort SizeOf(int queue)
    {
        Client.Write(Bar, QueueSelect, (ushort)queue);
        return Client.Read<ushort>(Bar, QueueSize);
    }

    /// <summary>Where the device thinks that a queue lies.</summary>
    public uint PageOf(int queue)
    {
        Client.Write(Bar, QueueSelect, (ushort)queue);
        return Client.Read<uint>(Bar, QueuePfn);
    }

    public void Dispose()
    {
        Status = 0;
        Client.Dispose();
        _memory.Dispose();
        Array.ForEach(_irqs, irq => irq.Dispose());
        foreach (IoEventFd<EventFd> doorbell in Doorbells.Entries)
        {
            doorbell.Target.Dispose();
        }
    }

    /// <summary>Device id, revision and an I/O BAR 0, by which a legacy driver knows its device.</summary>
    private void RequireTransitional()
    {
        Assert.That(Client.Read<uint>(VfioPciRegion.Config, 0), Is.EqualTo(0x1001_1AF4u), "a transitional block device");
        Assert.That(Client.Read<byte>(VfioPciRegion.Config, 8), Is.Zero, "revision");
        Assert.That(Client.Read<uint>(VfioPciRegion.Config, BarRegister) & 1, Is.EqualTo(1u), "BAR 0 is in I/O space");
        Client.Write(VfioPciRegion.Config, CommandRegister, IoMemoryAndBusMaster);
    }

    private LegacyQueue SetUp(int index, long offset)
    {
        ushort size = SizeOf(index);
        byte* memory = _memory.At(offset, LegacyQueue.BytesFor(size));
        Client.Write(Bar, QueuePfn, (uint)(_memory.IovaOf(memory) / Page));
        if (_msix)
        {
            Client.Write(Bar, QueueVectorRegister, (ushort)(index + 1));
            Assert.That(Client.Read<ushort>(Bar, QueueVectorRegister), Is.EqualTo(index + 1), "vector");
        }

        return new LegacyQueue(this, _memory, memory, (ushort)index, size, _irqs[_msix ? index + 1 : 0]);
    }
}
