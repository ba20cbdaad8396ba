using System.Runtime.InteropServices;
using System.Text;
using Backend.Block;
using NLog;
using RingCore.Aio;
using RingCore.Hosting;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>
/// A virtio block device (virtio 1.3 §5.2): features, configuration and status. What it does with requests is in
/// <see cref="VirtioBlkQueue"/>; on which threads, in <see cref="VirtioBlkDataPlane"/>. Public members are the server
/// thread's unless they say otherwise.
/// </summary>
public sealed class VirtioBlk : IVirtioDevice, IDisposable
{
    /// <summary>
    /// Longest transfer of one request, bytes: what the largest segments make, as many as are ever offered (SIZE_MAX times
    /// SEG_MAX, virtio 1.3 §5.2.4). A chain may name the same memory again and again, so that only this bounds what is copied
    /// or allocated for one. It fits a record of the log (LogFormat.MaxData).
    /// </summary>
    internal const ulong MaxTransferBytes = (ulong)MaxSegmentBytes * MaxSegments;

    internal static readonly Logger Log = LogManager.GetCurrentClassLogger();

    private const uint MaxSegmentBytes = 1 << 22;
    private const uint MaxSegments = 126;
    private readonly AioContext _mainContext;
    private readonly IReadOnlyList<IoThread> _ioThreads;
    private readonly VirtQueue[] _queues;
    private readonly byte[] _serial;
    private readonly ulong _sectors;
    private int _status;
    private int _writeCache;
    private VirtioBlkDataPlane? _dataPlane;

    /// <param name="config">How the device looks.</param>
    /// <param name="driver">The disk's contents; stays the caller's.</param>
    /// <param name="mainContext">The server's context; serves the queues when there is no IOThread.</param>
    /// <param name="ioThreads">Queues are dealt to them in turn, twins after the queues. May be empty, but not with twins.</param>
    public VirtioBlk(VirtioBlkConfig config, IBlockDriver driver, AioContext mainContext, IReadOnlyList<IoThread> ioThreads)
    {
        if (config.QueueCount is < 1 or > VirtioBlkConfig.MaxQueues)
        {
            throw new UserErrorException($"{config.QueueCount} queues are not possible; take 1 to {VirtioBlkConfig.MaxQueues}");
        }

        if (config.HasTwins && ioThreads.Count < config.VirtqueueCount)
        {
            throw new UserErrorException($"{config.QueueCount} queues and their twins need {config.VirtqueueCount} IOThreads");
        }

        if (config.QueueSize < 4 || !SplitRingLayout.IsValidQueueSize(config.QueueSize))
        {
            throw new UserErrorException($"queue size {config.QueueSize} is not possible; take a power of two from 4 to {SplitRingLayout.MaxQueueSize}");
        }

        Config = config;
        Driver = driver;
        _mainContext = mainContext;
        _ioThreads = ioThreads;
        _sectors = (ulong)driver.Limits.Length / BlkConfig.SectorSize;
        _serial = new byte[BlkConfig.IdLength];
        byte[] serial = Encoding.ASCII.GetBytes(config.Serial);
        if (serial.Length > BlkConfig.IdLength)
        {
            throw new UserErrorException($"serial '{config.Serial}' is longer than {BlkConfig.IdLength} characters");
        }

        serial.CopyTo(_serial, 0);
        _queues = new VirtQueue[config.VirtqueueCount];
        for (int i = 0; i < _queues.Length; i++)
        {
            _queues[i] = new VirtQueue(i, config.QueueSize, i < config.QueueCount ? null : i - config.QueueCount);
        }

        _writeCache = config.WriteCache ? 1 : 0;
    }

    public VirtioBlkConfig Config { get; }

    public IBlockDriver Driver { get; private set; }

    public ushort DeviceType => 2;

    public IReadOnlyList<VirtQueue> Queues => _queues;

    public int ConfigLength => BlkConfig.ByteSize;

    public byte ConfigGeneration => 0; // No multi-byte field ever changes.

    /// <summary>Any thread.</summary>
    public byte Status => (byte)Volatile.Read(ref _status);

    /// <summary>What the driver accepted; constant while the data plane runs, so any thread may read it.</summary>
    public VirtioFeatures NegotiatedFeatures { get; private set; }

    /// <summary>Writes are complete before they are stable (CONFIG_WCE). Any thread.</summary>
    public bool IsWriteCacheOn => Volatile.Read(ref _writeCache) != 0;

    /// <summary>The data plane once a transport is attached.</summary>
    public VirtioBlkDataPlane DataPlane => _dataPlane ?? throw new InvalidOperationException("no transport is attached");

    public ulong OfferedFeatures => (ulong)(Features & ~Config.WithheldFeatures);

    internal ReadOnlySpan<byte> SerialBytes => _serial;

    private VirtioFeatures Features
    {
        get
        {
            BlockLimits limits = Driver.Limits;
            VirtioFeatures features = VirtioFeatures.Version1 | VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors
                | VirtioFeatures.BlkSegMax | VirtioFeatures.BlkSizeMax | VirtioFeatures.BlkBlockSize | VirtioFeatures.BlkTopology
                | VirtioFeatures.BlkFlush | VirtioFeatures.BlkConfigWce;
            features |= _queues.Length > 1 ? VirtioFeatures.BlkMultiQueue : 0;
            features |= limits.IsReadOnly ? VirtioFeatures.BlkReadOnly : 0;
            features |= limits.CanDiscard && !limits.IsReadOnly ? VirtioFeatures.BlkDiscard : 0;
            features |= limits.CanWriteZeroes && !limits.IsReadOnly ? VirtioFeatures.BlkWriteZeroes : 0;
            return features;
        }
    }

    /// <summary>Connects the device to the transport it will be driven through; once, before anything else.</summary>
    /// <exception cref="UserErrorException">An IOThread is wanted, which this transport cannot serve.</exception>
    public void AttachTransport(IVirtioTransport transport) =>
        _dataPlane = new VirtioBlkDataPlane(this, transport, _mainContext, _ioThreads);

    public void ReadConfig(int offset, Span<byte> data)
    {
        BlkConfig config = BuildConfig();
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<BlkConfig>(in config));
        data.Clear();
        if (offset >= 0 && offset < bytes.Length)
        {
            bytes[offset..Math.Min(bytes.Length, offset + data.Length)].CopyTo(data);
        }
    }

    public void WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        int at = BlkConfig.WritebackOffset - offset;
        if ((NegotiatedFeatures & VirtioFeatures.BlkConfigWce) == 0 || at < 0 || at >= data.Length)
        {
            return;
        }

        bool on = (data[at] & 1) != 0;
        Log.Info("the driver switches the write cache {0}", on ? "on" : "off");
        Volatile.Write(ref _writeCache, on ? 1 : 0); // Read by the queues' threads for each write (IsWriteCacheOn).
    }

    public void WriteStatus(byte status, ulong acceptedFeatures)
    {
        if (status == 0)
        {
            Reset();
            return;
        }

        int old = Status;
        bool wasRunning = (old & DeviceStatus.DriverOk) != 0;
        if ((status & DeviceStatus.FeaturesOk) != 0 && (old & DeviceStatus.FeaturesOk) == 0 && !TryAccept((VirtioFeatures)acceptedFeatures))
        {
            status = (byte)(status & ~DeviceStatus.FeaturesOk);
        }

        if ((status & DeviceStatus.DriverOk) != 0 && (status & DeviceStatus.FeaturesOk) == 0 && !wasRunning)
        {
            // A legacy driver knows no FEATURES_OK: what it wrote is what it gets (§3.1.2).
            Take((VirtioFeatures)acceptedFeatures & (VirtioFeatures)OfferedFeatures & ~VirtioFeatures.Version1);
        }

        SetStatus(old, status);
        if ((status & DeviceStatus.DriverOk) != 0 && !wasRunning)
        {
            DataPlane.Start();
        }
    }

    public void NotifyQueue(int index) => DataPlane.Kick(index);

    public bool TakesPlacement => _ioThreads.Count > 0;

    public int FirstTwin => Config.HasTwins ? Config.QueueCount : 0;

    public void PlaceQueue(int index, PlacementHint hint) => DataPlane.PlaceQueue(index, hint);

    public bool StartQueue(int index) => DataPlane.StartQueue(_queues[index]);

    public void StopQueue(int index) => DataPlane.StopQueue(_queues[index]);

    public void WhileDrained(Action change) => DataPlane.WhileDrained(change);

    /// <summary>
    /// Puts another driver of the same size in the place of the present one, which stays open: to slip a filter in, or out.
    /// Requests wait meanwhile. Not within <see cref="WhileDrained"/> or while the device stops: see <see cref="WhenSettled"/>.
    /// </summary>
    /// <param name="driver">The driver from now on.</param>
    /// <param name="faults">Faults of the queues themselves from now on; null for none.</param>
    public void ReplaceDriver(IBlockDriver driver, IQueueFaults? faults = null)
    {
        if (driver.Limits.Length != Driver.Limits.Length)
        {
            throw new ArgumentException("the disk's size cannot change", nameof(driver));
        }

        DataPlane.ReopenBlock(driver, () =>
        {
            Driver = driver;
            Array.ForEach(_queues, queue => queue.Faults = faults);
        });
    }

    /// <summary>
    /// Runs <paramref name="action"/> now, or when the drain or stop that is under way has come to its end: for what reaches the
    /// server's thread not by a client's message. It must not throw.
    /// </summary>
    public void WhenSettled(Action action) => DataPlane.WhenSettled(action);

    public void Synchronize() => DataPlane.Synchronize();

    public void Dispose() => _dataPlane?.Stop();

    /// <summary>The ring is broken: says so to the driver (§2.1.2). Any thread.</summary>
    internal void SetNeedsReset()
    {
        Interlocked.Or(ref _status, DeviceStatus.NeedsReset); // Partner: SetStatus, which keeps the bit.
        DataPlane.Transport.NotifyConfig();
    }

    /// <summary>[sector, + bytes) is whole sectors inside the disk. Any thread; cannot overflow.</summary>
    internal bool IsInside(ulong sector, ulong bytes)
    {
        ulong count = bytes / BlkConfig.SectorSize;
        return bytes % BlkConfig.SectorSize == 0 && sector <= _sectors && count <= _sectors - sector;
    }

    private bool TryAccept(VirtioFeatures accepted)
    {
        VirtioFeatures unknown = accepted & ~(VirtioFeatures)OfferedFeatures;
        if (unknown != 0 || (accepted & VirtioFeatures.Version1) == 0)
        {
            Log.Warn("features {0} refused: {1}", accepted, unknown != 0 ? $"{unknown} not offered" : "VERSION_1 is missing");
            return false;
        }

        Take(accepted);
        return true;
    }

    private void Take(VirtioFeatures accepted)
    {
        NegotiatedFeatures = accepted;
        if ((accepted & VirtioFeatures.BlkConfigWce) == 0 && (accepted & VirtioFeatures.BlkFlush) == 0)
        {
            // Without FLUSH the driver cannot make anything stable: the cache must be off (§5.2.6.2).
            Volatile.Write(ref _writeCache, 0);
        }
    }

    private void SetStatus(int old, byte status)
    {
        // NEEDS_RESET may be set by a queue's thread meanwhile and is not the driver's to clear (SetNeedsReset).
        int seen;
        while ((seen = Interlocked.CompareExchange(ref _status, status | (old & DeviceStatus.NeedsReset), old)) != old)
        {
            old = seen;
        }
    }

    private void Reset()
    {
        _dataPlane?.Stop();
        foreach (VirtQueue queue in _queues)
        {
            queue.Reset();
        }

        NegotiatedFeatures = VirtioFeatures.None;
        Volatile.Write(ref _writeCache, Config.WriteCache ? 1 : 0);
        Volatile.Write(ref _status, 0);
    }

    private BlkConfig BuildConfig()
    {
        BlockLimits limits = Driver.Limits;
        return new BlkConfig
        {
            Capacity = _sectors,
            SizeMax = MaxSegmentBytes,
            SegMax = Math.Min(MaxSegments, Config.QueueSize - 2u),
            BlockSize = BlkConfig.SectorSize,
            PhysicalBlockExponent = (byte)Math.Max(0, int.Log2(limits.PhysicalBlockSize / BlkConfig.SectorSize)),
            MinIoSize = (ushort)(limits.PhysicalBlockSize / BlkConfig.SectorSize),
            OptimalIoSize = (1 << 20) / BlkConfig.SectorSize,
            Writeback = (byte)(IsWriteCacheOn ? 1 : 0),
            QueueCount = (ushort)_queues.Length,
            MaxDiscardSectors = limits.CanDiscard ? Config.MaxDiscardSectors : 0,
            MaxDiscardSegments = limits.CanDiscard ? 1u : 0,
            DiscardSectorAlignment = (uint)(limits.PhysicalBlockSize / BlkConfig.SectorSize),
            MaxWriteZeroesSectors = limits.CanWriteZeroes ? Config.MaxWriteZeroesSectors : 0,
            MaxWriteZeroesSegments = limits.CanWriteZeroes ? 1u : 0,
            WriteZeroesMayUnmap = 1,
        };
    }
}
