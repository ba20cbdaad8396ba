using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;
using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>
/// Drives a virtio device on PCI (virtio 1.3 §4.1) over vfio-user, as a PCI driver does: finds the register blocks through
/// the capabilities, programs them, and rings doorbells by address.
/// </summary>
public sealed class VirtioPciTransport : IDriverTransport
{
    // Registers of the common configuration (§4.1.4.3).
    private const int DeviceFeatureSelect = 0;
    private const int DeviceFeature = 4;
    private const int DriverFeatureSelect = 8;
    private const int DriverFeature = 12;
    private const int ConfigVector = 16;
    private const int NumQueues = 18;
    private const int DeviceStatusRegister = 20;
    private const int ConfigGeneration = 21;
    private const int QueueSelect = 22;
    private const int QueueSize = 24;
    private const int QueueVector = 26;
    private const int QueueEnable = 28;
    private const int QueueNotifyOff = 30;
    private const int QueueDescriptors = 32;
    private const int QueueDriver = 40;
    private const int QueueDevice = 48;
    private const ushort NoVector = 0xFFFF;

    private const int ResetTimeoutMs = 30_000;
    private readonly VfioUserClient _client;
    private readonly VirtioPciCapabilities _capabilities;
    private readonly Dictionary<int, ulong> _doorbells = [];
    private readonly int _resetTimeoutMs;
    private IoEventFdTable<EventFd>? _ioEventFds;
    private DmaMemory? _memory;

    /// <summary>Finds the device behind a connected client, which this object owns from now on.</summary>
    /// <param name="client">Connected.</param>
    /// <param name="resetTimeoutMs">How long the device may take to finish a reset.</param>
    /// <exception cref="ProtocolException">It is no modern virtio block device on PCI.</exception>
    public VirtioPciTransport(VfioUserClient client, int resetTimeoutMs = ResetTimeoutMs)
    {
        _client = client;
        _resetTimeoutMs = resetTimeoutMs;
        VfioDeviceInfo info = client.GetDeviceInfo();
        if ((info.Flags & VfioDeviceFlags.Pci) == 0 || info.RegionCount <= VfioPciRegion.Config)
        {
            throw new ProtocolException("the device is not a PCI device");
        }

        _capabilities = VirtioPciCapabilities.Find(client);
    }

    public string Description => $"virtio-pci {_capabilities.DeviceId:x4} over vfio-user";

    public FileDescriptor Connection => _client.Ended;

    public byte Status
    {
        get => ReadCommon<byte>(DeviceStatusRegister);
        set
        {
            WriteCommon(DeviceStatusRegister, value);
            if (value == 0)
            {
                CloseDoorbells();
                WaitForReset();
            }
        }
    }

    public VirtioFeatures OfferedFeatures
    {
        get
        {
            WriteCommon(DeviceFeatureSelect, 0u);
            ulong low = ReadCommon<uint>(DeviceFeature);
            WriteCommon(DeviceFeatureSelect, 1u);
            return (VirtioFeatures)(low | ((ulong)ReadCommon<uint>(DeviceFeature) << 32));
        }
    }

    public int QueueCount => ReadCommon<ushort>(NumQueues);

    public void AcceptFeatures(VirtioFeatures features)
    {
        WriteCommon(DriverFeatureSelect, 0u);
        WriteCommon(DriverFeature, (uint)(ulong)features);
        WriteCommon(DriverFeatureSelect, 1u);
        WriteCommon(DriverFeature, (uint)((ulong)features >> 32));
    }

    public BlkConfig ReadConfig()
    {
        // A change between two reads shows in the generation (§2.5.1).
        for (int attempt = 0; attempt < 100; attempt++)
        {
            byte before = ReadCommon<byte>(ConfigGeneration);
            BlkConfig config = default;
            Span<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(new Span<BlkConfig>(ref config));
            int length = (int)Math.Min((uint)bytes.Length, _capabilities.Device.Length);
            _client.Read(_capabilities.Device.Bar, _capabilities.Device.Offset, bytes[..length]);
            if (ReadCommon<byte>(ConfigGeneration) == before)
            {
                return config;
            }
        }

        throw new ProtocolException("the device's configuration never stays the same");
    }

    public ushort MaxQueueSize(int index)
    {
        WriteCommon(QueueSelect, (ushort)index);
        return ReadCommon<ushort>(QueueSize);
    }

    public void MapMemory(DmaMemory memory)
    {
        _client.MapDma(memory.Iova, memory.Length, memory.Descriptor);
        _memory = memory;
    }

    public void EnableQueue(in QueueSetup queue)
    {
        WriteCommon(QueueSelect, (ushort)queue.Index);
        WriteCommon(QueueSize, queue.Size);
        ushort vector = (ushort)(queue.Index + 1);
        WriteCommon(QueueVector, vector);
        if (ReadCommon<ushort>(QueueVector) != vector)
        {
            throw new ProtocolException($"the device has no interrupt vector for queue {queue.Index}");
        }

        WriteAddress(QueueDescriptors, queue.DescriptorTable);
        WriteAddress(QueueDriver, queue.AvailableRing);
        WriteAddress(QueueDevice, queue.UsedRing);
        uint notifyOff = ReadCommon<ushort>(QueueNotifyOff);
        ulong doorbell = (ulong)notifyOff * _capabilities.NotifyMultiplier;
        if (doorbell + sizeof(ushort) > _capabilities.Notify.Length)
        {
            throw new ProtocolException($"the doorbell of queue {queue.Index} lies outside the notification registers");
        }

        _doorbells[queue.Index] = _capabilities.Notify.Offset + doorbell;
        WriteCommon(QueueEnable, (ushort)1);
    }

    public void BindInterrupts(EventNotifier config, IReadOnlyList<EventNotifier> queues)
    {
        VfioIrqInfo info = _client.GetIrqInfo(VfioPciIrq.Msix);
        if (info.Count < queues.Count + 1)
        {
            throw new ProtocolException($"the device has {info.Count} MSI-X vectors, {queues.Count + 1} are needed");
        }

        WriteCommon(ConfigVector, (ushort)0);
        if (ReadCommon<ushort>(ConfigVector) == NoVector)
        {
            throw new ProtocolException("the device has no interrupt vector for configuration changes");
        }

        _client.SetIrqs(VfioPciIrq.Msix, 0, [config.WriteDescriptor, .. queues.Select(q => q.WriteDescriptor)]);
        _capabilities.EnableMsix(_client);
    }

    public Action Doorbell(int index)
    {
        // Bound by the device when it starts, so this is the first moment to ask; the matching itself is done for each
        // ring, as a hypervisor would.
        _ioEventFds ??= _client.GetIoEventFds(_capabilities.Notify.Bar);
        IoEventFdTable<EventFd> table = _ioEventFds;
        ulong address = _doorbells[index];
        ushort value = (ushort)index;
        return () =>
        {
            if (table.Match(address, sizeof(ushort), value) is { } notifier)
            {
                notifier.Signal();
            }
            else
            {
                _client.Post(_capabilities.Notify.Bar, address, value);
            }
        };
    }

    public void PlaceQueue(int index, PlacementHint hint)
    {
        if (TakesPlacement(index))
        {
            RegisterBlock registers = _capabilities.Placement!.Value;
            _client.Post(registers.Bar, registers.Offset + ((ulong)index * sizeof(uint)), hint.ToRegister());
        }
    }

    public bool TakesPlacement(int index) =>
        _capabilities.Placement is { } registers && ((ulong)index + 1) * sizeof(uint) <= registers.Length;

    public int FirstTwin => _capabilities.FirstTwin is > 0 and int first && TakesPlacement((2 * first) - 1) ? first : 0;

    public void Dispose()
    {
        _client.Dispose();
        CloseDoorbells();
    }

    /// <summary>The device makes new ones at its next start; nobody rings any more.</summary>
    private void CloseDoorbells()
    {
        foreach (IoEventFd<EventFd> entry in (_ioEventFds ?? IoEventFdTable<EventFd>.Empty).Entries)
        {
            entry.Target.Dispose();
        }

        _ioEventFds = null;
    }

    private void WaitForReset()
    {
        long deadline = Environment.TickCount64 + _resetTimeoutMs;
        while (ReadCommon<byte>(DeviceStatusRegister) != 0)
        {
            if (Environment.TickCount64 >= deadline)
            {
                throw new ProtocolException($"the device does not finish its reset in {_resetTimeoutMs / 1000.0} s", Errno.ETIMEDOUT);
            }

            Thread.Sleep(1); // §4.1.4.3.2: the driver waits until the status reads 0; there is no event for it.
        }

        if (_memory is { } memory)
        {
            _client.UnmapDma(memory.Iova, memory.Length);
            _memory = null;
        }
    }

    private T ReadCommon<T>(int register)
        where T : unmanaged => _client.Read<T>(_capabilities.Common.Bar, _capabilities.Common.Offset + (uint)register);

    private void WriteCommon<T>(int register, T value)
        where T : unmanaged => _client.Write(_capabilities.Common.Bar, _capabilities.Common.Offset + (uint)register, value);

    private void WriteAddress(int register, ulong address)
    {
        WriteCommon(register, (uint)address);
        WriteCommon(register + sizeof(uint), (uint)(address >> 32));
    }
}
