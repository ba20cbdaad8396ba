using NLog;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.VfioUser;

namespace Backend.Device;

/// <summary>
/// A virtio device as a PCI function (virtio 1.3 §4.1): configuration space, BARs, doorbells and interrupts. The device is
/// plugged in after construction, as it needs the transport to be built. Everything is the server thread's, save
/// <see cref="NotifyQueue"/>, <see cref="NotifyConfig"/> and the snapshots in <see cref="Memory"/>.
/// </summary>
/// <remarks>
/// One file a subject: <c>.ConfigSpace</c> builds and serves PCI configuration space, <c>.Regions</c> takes every access apart,
/// <c>.CommonConfig</c> and <c>.Legacy</c> are the register blocks, <c>.IoEventFd</c> binds doorbells.
/// </remarks>
public sealed partial class VirtioPciProxy : IVirtioTransport
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly VirtioPciOptions _options;
    private IVirtioDevice? _device;
    private VirtQueue[] _queues = [];
    private GuestNotifier[] _vectors = [];
    private bool _msixInUse;
    private ushort _configVector = VirtQueue.NoVector;
    private int _guestNotifiers;

    /// <param name="memory">Guest memory; stays the caller's.</param>
    /// <param name="options">How the device shows itself.</param>
    public VirtioPciProxy(GuestMemory memory, VirtioPciOptions? options = null)
    {
        Memory = memory;
        _options = options ?? new VirtioPciOptions();
        Interrupts = new PciInterrupts(this);
    }

    /// <inheritdoc/>
    public GuestMemory Memory { get; }

    /// <inheritdoc/>
    /// <remarks>As for a device passed through by VFIO, whose maps pin memory: QEMU then forbids balloons.</remarks>
    public bool MayKeepPages => true;

    /// <inheritdoc/>
    public bool HasGuestNotifiers => true;

    /// <inheritdoc/>
    public bool HasIoEventFds => true;

    /// <summary>The device behind.</summary>
    /// <exception cref="InvalidOperationException">None is plugged in yet.</exception>
    public IVirtioDevice Device => _device ?? throw new InvalidOperationException("no device is plugged in");

    /// <summary>The interrupt lines that clients bind.</summary>
    public PciInterrupts Interrupts { get; }

    /// <summary>The BARs as regions with their doorbells.</summary>
    public AddressSpace<EventNotifier> AddressSpace { get; } = new();

    /// <summary>Number of queues for which <see cref="SetGuestNotifiers"/> is in force.</summary>
    public int GuestNotifierCount => _guestNotifiers;

    /// <summary>Plugs the device in, once: lays out configuration space and BARs for it.</summary>
    /// <exception cref="ArgumentException">More queues than doorbells, or a device without a transitional id.</exception>
    public void Plug(IVirtioDevice device)
    {
        if (_device is not null)
        {
            throw new InvalidOperationException("a device is plugged in already");
        }

        if (device.Queues.Count > VirtioPciLayout.MaxQueues)
        {
            throw new ArgumentException($"{device.Queues.Count} queues; virtio-pci has {VirtioPciLayout.MaxQueues} doorbells");
        }

        if (_options.Transitional && VirtioPciLayout.TransitionalDeviceId(device.DeviceType) == 0)
        {
            throw new ArgumentException($"virtio device type {device.DeviceType} has no transitional PCI id");
        }

        int vectors = Math.Clamp(_options.VectorCount ?? device.Queues.Count + 1, 1, VirtioPciLayout.MaxVectors);
        _device = device;
        _queues = [.. device.Queues];
        _vectors = [.. Enumerable.Range(0, vectors).Select(_ => new GuestNotifier())];
        Interrupts.Build(_vectors);
        LayOutBars();
        BuildConfigSpace();
    }

    /// <summary>Resets the function: configuration space, the virtio device, pending interrupts. Memory and eventfds stay.</summary>
    public void Reset()
    {
        ResetVirtio();
        _config.Reset();
        Array.Clear(_msixTable);
        Interrupts.Unmask();
        UpdateInterruptMode();
    }

    /// <inheritdoc/>
    public void SetGuestNotifiers(int count, bool assign)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)_queues.Length);
        _guestNotifiers = assign ? count : 0;
    }

    /// <inheritdoc/>
    public void NotifyQueue(int index)
    {
        // Partner: the Volatile.Write in UpdateInterruptMode.
        if (!Volatile.Read(ref _msixInUse))
        {
            Interrupts.Intx.Assert(VirtioPciLayout.IsrQueue);
            return;
        }

        int vector = _queues[index].Vector;
        if (vector < _vectors.Length)
        {
            _vectors[vector].Raise();
        }
    }

    /// <inheritdoc/>
    public void NotifyQueueBroken(int index)
    {
        // DEVICE_NEEDS_RESET says all that virtio-pci can say.
    }

    /// <inheritdoc/>
    public void FreeStuckThreads() => Interrupts.FreeStuckThreads();

    /// <inheritdoc/>
    public void NotifyConfig()
    {
        // Partner: the Volatile.Write in UpdateInterruptMode.
        if (!Volatile.Read(ref _msixInUse))
        {
            Interrupts.Intx.Assert(VirtioPciLayout.IsrConfig);
            return;
        }

        // Partner: the Volatile.Write in WriteConfigVector.
        int vector = Volatile.Read(ref _configVector);
        if (vector < _vectors.Length)
        {
            _vectors[vector].Raise();
        }
    }

    /// <summary>
    /// MSI-X is in use when the driver enabled it in configuration space or the client has set vectors up (a client that
    /// emulates the capability need not forward the bit); then INTx is not, as also while COMMAND disables it.
    /// </summary>
    internal void UpdateInterruptMode()
    {
        bool msix = Interrupts.IsMsixActive || (_config.Get16(_msixCapability + 2) & MsixEnable) != 0;
        bool disabled = (_config.Get16(PciConfigSpace.Command) & PciConfigSpace.CommandInterruptDisable) != 0;

        // Partner: the Volatile.Reads in NotifyQueue and NotifyConfig.
        Volatile.Write(ref _msixInUse, msix);
        Interrupts.Intx.SetConnected(!msix && !disabled);
    }

    /// <summary>A zero in the status register: device and transport registers go back to where they began (§2.4).</summary>
    private void ResetVirtio()
    {
        Device.WriteStatus(0, 0);
        _driverFeatures = 0;
        _deviceFeatureSelect = 0;
        _driverFeatureSelect = 0;
        _queueSelect = 0;

        // Partner: the Volatile.Read in NotifyConfig.
        Volatile.Write(ref _configVector, VirtQueue.NoVector);
        Interrupts.ClearPending();
    }
}
