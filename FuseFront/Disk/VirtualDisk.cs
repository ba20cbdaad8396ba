using FuseFront.Driver;
using FuseFront.Fuse;
using NLog;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <summary>How the disk is shown.</summary>
public sealed record VirtualDiskOptions
{
    public required FuseMountOptions Mount { get; init; }

    /// <summary>Longest busy-poll of a queue's thread in nanoseconds; 0 never.</summary>
    public long PollMaxNs { get; init; }

    public Affinity Affinity { get; init; } = Affinity.Auto;

    /// <summary>
    /// How long the device may have a request before the front does something about it: see <see cref="RequestWatch"/> and
    /// <see cref="DeviceRecovery"/>. Zero: for ever.
    /// </summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>
/// The whole front: a virtio-blk device on one side, a mount with the file <c>disk</c> on the other, and a
/// <see cref="FrontQueue"/> for each virtqueue between them. The main loop's thread. <c>.Draining</c> has its end.
/// </summary>
public sealed partial class VirtualDisk : IDisposable
{
    /// <summary>Name of the file in the mount.</summary>
    public const string FileName = "disk";

    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly BlkDriver _driver;
    private readonly IDriverTransport _transport;
    private readonly AioContext _mainContext;
    private readonly FrontQueue[] _queues;
    private readonly FuseSession _session;
    private readonly DeviceRecovery _recovery;
    private readonly PlacementHints _hints;
    private string? _failure;
    private bool _isStopped;

    /// <summary>Brings the device into service and mounts. On return the file is usable.</summary>
    /// <param name="transport">How the device is reached; stays the caller's until the constructor returns.</param>
    public VirtualDisk(IDriverTransport transport, BlkDriver driver, VirtualDiskOptions options, AioContext mainContext)
    {
        _transport = transport;
        _driver = driver;
        _mainContext = mainContext;
        Geometry = DescribeDisk(driver);
        _recovery = new DeviceRecovery(driver, mainContext, Fail);
        _hints = new PlacementHints(transport, driver.QueueCount);
        _recovery.Recovered += _hints.SendAgain;
        RangeGate gate = new(driver.QueueCount, driver.SlotCount);
        _queues = new FrontQueue[driver.QueueCount];
        FuseTransport fuse = FuseUringSupport.Choose(options.Mount.Transport, driver.QueueCount, driver.SlotCount);
        for (int i = 0; i < _queues.Length; i++)
        {
            AioContextOptions context = new()
            {
                Name = $"front-{i}",
                PollMaxNs = options.PollMaxNs,
                Monitor = fuse == FuseTransport.Uring ? FdMonitorKind.Auto : FdMonitorKind.Epoll,
                LargeSubmissionEntries = fuse == FuseTransport.Uring,
            };
            _queues[i] = new FrontQueue(i, driver, Geometry, gate, context, _recovery);
        }

        _recovery.Queues = _queues;
        gate.Granted = (queue, slot) => _queues[queue].Grant(slot);
        Serial = driver.ReadSerial(_queues[0].Driver, 0);
        _session = Mount(options, fuse);
        mainContext.SetFdHandler(transport.Connection, new AioHandler { Read = OnConnectionReadable });
        mainContext.SetEventNotifier(driver.ConfigIrq, new AioHandler { Read = OnConfigIrq });
        if (transport.RingErrors is { } ringErrors)
        {
            mainContext.SetEventNotifier(ringErrors, new AioHandler { Read = () => OnRingError(ringErrors) });
        }

        PlaceQueues(options.Affinity);
        foreach (FrontQueue queue in _queues)
        {
            if (options.RequestTimeout > TimeSpan.Zero)
            {
                queue.WatchRequests(options.RequestTimeout, mainContext);
            }

            queue.Start(_session);
        }
    }

    public DiskGeometry Geometry { get; }

    /// <summary>What the device calls itself.</summary>
    public string Serial { get; }

    /// <summary>Completes when the mount is gone, whoever unmounted it.</summary>
    public Task Ended => _session.Ended;

    /// <summary>Why every request ends with EIO now; null while the device works.</summary>
    public string? Failure => _failure;

    public BlkDriver Driver => _driver;

    internal FuseSession Session => _session;

    internal IReadOnlyList<FrontQueue> Queues => _queues;

    /// <summary>Unmounts; throws EBUSY while files are open in the mount, unless lazily.</summary>
    public void Unmount(bool lazy) => _session.Unmount(lazy);

    /// <summary>
    /// Finishes what is in flight, makes everything stable, unmounts and ends the threads. Idempotent. Throws when data
    /// could not be made stable; everything is cleaned up all the same.
    /// </summary>
    public void Stop()
    {
        if (_isStopped)
        {
            return;
        }

        _isStopped = true;
        bool drained = TryDrain();
        _recovery.End();
        _mainContext.SetFdHandler(_transport.Connection, null);
        _mainContext.SetEventNotifier(_driver.ConfigIrq, null);
        if (_transport.RingErrors is { } ringErrors)
        {
            _mainContext.SetEventNotifier(ringErrors, null);
        }

        foreach (FrontQueue queue in _queues)
        {
            queue.Dispose();
        }

        try
        {
            if (_failure == null && drained && !Geometry.IsReadOnly)
            {
                _driver.Flush(_queues[0].Driver, 0);
            }
        }
        finally
        {
            _session.Dispose();
            _driver.Dispose();
        }
    }

    public void Dispose() => Stop();

    private static DiskGeometry DescribeDisk(BlkDriver driver)
    {
        BlkConfig config = driver.Config;
        VirtioFeatures features = driver.Features;
        if (config.Capacity == 0 || config.Capacity > long.MaxValue / BlkConfig.SectorSize)
        {
            throw new ProtocolException($"the device claims a capacity of {config.Capacity} sectors");
        }

        return new DiskGeometry
        {
            Length = (long)config.Capacity * BlkConfig.SectorSize,
            IsReadOnly = features.HasFlag(VirtioFeatures.BlkReadOnly),
            CanFlush = features.HasFlag(VirtioFeatures.BlkFlush),
            MaxDiscardSectors = features.HasFlag(VirtioFeatures.BlkDiscard) ? config.MaxDiscardSectors : 0,
            MaxWriteZeroesSectors = features.HasFlag(VirtioFeatures.BlkWriteZeroes) ? config.MaxWriteZeroesSectors : 0,
            BlockSize = features.HasFlag(VirtioFeatures.BlkBlockSize) ? config.BlockSize : BlkConfig.SectorSize,
        };
    }

    private FuseSession Mount(VirtualDiskOptions options, FuseTransport fuse)
    {
        const uint OwnerReads = 0x100;
        const uint OwnerWrites = 0x80;
        const uint AllRead = 0x124;
        uint permissions = OwnerReads | (Geometry.IsReadOnly ? 0 : OwnerWrites) | (options.Mount.AllowOther ? AllRead : 0);
        FuseFile file = FuseFile.Data(FileName, () => Geometry.Length, permissions, UserIds.Uid, UserIds.Gid);
        FuseDirectory directory = new(file) { Uid = UserIds.Uid, Gid = UserIds.Gid };
        FuseMountOptions mount = options.Mount with
        {
            ReadOnly = Geometry.IsReadOnly,
            Transport = fuse == FuseTransport.Uring ? options.Mount.Transport : fuse,
            Channels = _queues.Length,
        };
        return FuseSession.Start(mount, directory);
    }

    private void PlaceQueues(Affinity affinity)
    {
        foreach (FrontQueue queue in _queues)
        {
            void PlaceDevice(int? cpu) => _hints.Send(queue.Index, cpu);
            if (affinity == Affinity.Cpu)
            {
                queue.Context.Invoke(() => QueuePlacement.Pin(queue.Index, PlaceDevice));
            }
            else if (affinity == Affinity.Auto)
            {
                queue.PlaceByLoad(PlaceDevice, () => OthersTotal(queue));
            }
        }
    }

    private long OthersTotal(FrontQueue queue)
    {
        long total = 0;
        foreach (FrontQueue other in _queues)
        {
            total += other == queue ? 0 : other.Disk.Statistics.TotalOperations;
        }

        return total;
    }

    private void OnConnectionReadable()
    {
        // What was readable may have been an answer, which the question that was open then has taken.
        if (_transport.Connection.WaitReadable(TimeSpan.Zero))
        {
            Fail("the backend has closed the connection");
        }
    }

    private void OnConfigIrq()
    {
        if (!_driver.ConfigIrq.TestAndClear())
        {
            return;
        }

        try
        {
            if (_driver.NeedsReset)
            {
                _recovery.AskedForReset();
            }
        }
        catch (IOException e)
        {
            Fail(e.Message);
        }
    }

    private void OnRingError(EventNotifier ringErrors)
    {
        if (ringErrors.TestAndClear())
        {
            _recovery.AskedForReset();
        }
    }

    private void Fail(string reason)
    {
        if (_failure != null)
        {
            return;
        }

        _failure = reason;
        _recovery.End();
        Log.Error("{0}: every request ends with an I/O error from now on; detach and attach again", reason);
        _mainContext.SetFdHandler(_transport.Connection, null);
        _driver.Sever();
        foreach (FrontQueue queue in _queues)
        {
            queue.Fail();
        }
    }
}
