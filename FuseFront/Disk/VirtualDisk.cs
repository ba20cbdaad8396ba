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

    /// <summary>Longest busy-poll of a queue's thread in nanoseconds; 0 never; null: where placement finds a CPU to spare.</summary>
    public long? PollMaxNs { get; init; }

    public Affinity Affinity { get; init; } = Affinity.Auto;

    /// <summary>
    /// How long the device may have a request before the front does something about it: see <see cref="RequestWatch"/> and
    /// <see cref="DeviceRecovery"/>. Zero: for ever.
    /// </summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>
/// The whole front: a virtio-blk device on one side, a mount with the file <c>disk</c> on the other, and a
/// <see cref="FrontQueue"/> for each of the device's queues between them. The main loop's thread. <c>.Starting</c> has how it
/// comes to be, <c>.Stopping</c> its end.
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

    /// <summary>Mounts a device that is in service. On return the file is usable.</summary>
    /// <param name="transport">How the device is reached.</param>
    /// <param name="driver">The device, with its transport the disk's own once the constructor has returned; the caller's if it throws.</param>
    /// <exception cref="IOException">One line that says why; nothing is mounted then.</exception>
    public VirtualDisk(IDriverTransport transport, BlkDriver driver, VirtualDiskOptions options, AioContext mainContext)
    {
        _transport = transport;
        _driver = driver;
        _mainContext = mainContext;
        Geometry = DescribeDisk(driver);
        _recovery = new DeviceRecovery(driver, mainContext, Fail);
        _hints = new PlacementHints(transport, driver.VirtqueueCount);
        _recovery.Recovered += _hints.SendAgain;
        _queues = new FrontQueue[driver.QueueCount];
        FuseTransport fuse = FuseUringSupport.Choose(options.Mount.Transport, driver.QueueCount, driver.SlotCount);
        try
        {
            CreateQueues(options, fuse);
            Serial = driver.ReadSerial(_queues[0].Driver, 0);
            _session = Mount(options, fuse);
            Start(options);
        }
        catch
        {
            try
            {
                TakeDown();
            }
            catch (IOException e)
            {
                Log.Error("cleaning up: {0}", e.Message); // what came first is what the caller has to know
            }

            throw;
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

    private void OnConnectionEnded()
    {
        // A reset over vhost-user ends the old connection itself, which the loop's poll may report when there is a new one.
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
