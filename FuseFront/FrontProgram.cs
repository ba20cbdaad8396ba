using System.Text.Json.Nodes;
using FuseFront.Disk;
using FuseFront.Driver;
using FuseFront.Fuse;
using NLog;
using RingCore.Aio;
using RingCore.Hosting;
using RingCore.Posix;

namespace FuseFront;

/// <summary>
/// The <c>fusefront</c> program: connects to a device, shows it in a mount, and serves until the mount is gone or a signal
/// comes. Everything that it owns is taken down in reverse, data flushed first.
/// </summary>
internal sealed class FrontProgram : IDisposable
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private readonly FrontSettings _settings;
    private readonly AioContext _main;
    private readonly VirtualDisk _disk;
    private readonly FrontReport _report;

    private FrontProgram(FrontSettings settings, AioContext main)
    {
        _settings = settings;
        _main = main;
        _disk = Open(settings, main);
        _report = new FrontReport(_disk, settings.Directory);
    }

    /// <summary>Runs the program; the exit code is its result.</summary>
    public static int Run(FrontSettings settings)
    {
        if (settings.Detached)
        {
            Readiness.LeaveTerminal();
        }

        LogSetup.Configure("fusefront", settings.LogLevel, settings.LogFile, toStderr: settings.LogFile == null);
        using AioContext main = new(new AioContextOptions { Name = "front-main" });

        // From before the mount is there: a signal at any moment must not leave it behind.
        FrontProgram? mounted = null;
        using TerminationSignals signals = new(signal =>
        {
            Log.Info("{0}: finishing", signal);
            main.ScheduleOneShot(() => mounted!.StopBySignal()); // runs in Serve at the earliest
        });
        using FrontProgram program = mounted = new(settings, main);
        program.Serve();
        return ExitCodes.Success;
    }

    public void Dispose() => _disk.Dispose();

    private static VirtualDisk Open(FrontSettings settings, AioContext main)
    {
        IDriverTransport transport = Connect(settings);
        BlkDriver? driver = null;
        try
        {
            driver = new BlkDriver(transport, new BlkDriverOptions
            {
                Queues = settings.Queues,
                QueueSize = (ushort)settings.QueueSize,
                MaxSlots = MaxSlots(settings),
            });
            return new VirtualDisk(transport, driver, DiskOptionsOf(settings), main);
        }
        catch
        {
            IDisposable opened = driver is null ? transport : driver; // the driver owns its transport
            opened.Dispose();
            throw;
        }
    }

    private static IDriverTransport Connect(FrontSettings settings)
    {
        string socket = settings.VhostUserSocket ?? settings.VfioUserSocket!;
        try
        {
            return settings.VhostUserSocket is null
                ? new VirtioPciTransport(VfioUserClient.Connect(socket, Patience))
                : new VhostUserTransport(socket, Patience);
        }
        catch (PosixException e) when (e.Errno is Errno.ENOENT or Errno.ECONNREFUSED)
        {
            string remedy = settings.VhostUserSocket is null
                ? $"start one with 'backend --vfio-user {socket} --image IMAGE'"
                : "start a vhost-user-blk back end there: see docs/peers.md";
            throw new UserErrorException($"no backend listens at {socket}; {remedy}", e);
        }
        catch (ProtocolException e) when (settings.VhostUserSocket is not null)
        {
            throw new ProtocolException($"{socket}: {e.Message}", e.Errno);
        }
        catch (Exception e) when (e is PosixException { Errno: Errno.EPIPE or Errno.ECONNRESET } or ProtocolException { Errno: Errno.ECONNRESET })
        {
            throw new UserErrorException($"the backend at {socket} closed the connection; see its log, and whether another front has it", e);
        }
    }

    // Over io_uring a slot belongs to one CPU's requests for good, over /dev/fuse any request takes any slot.
    private static int MaxSlots(FrontSettings settings)
    {
        int standard = new BlkDriverOptions { Queues = settings.Queues }.MaxSlots;
        return TransportOf(settings) == FuseTransport.Dev
            ? standard
            : Math.Max(standard, FuseUringSupport.SlotsWanted(settings.Queues));
    }

    private static FuseTransport TransportOf(FrontSettings settings) => settings.Fuse switch
    {
        "dev" => FuseTransport.Dev,
        "uring" => FuseTransport.Uring,
        _ => FuseTransport.Auto,
    };

    private static VirtualDiskOptions DiskOptionsOf(FrontSettings settings) => new()
    {
        PollMaxNs = settings.PollMaxNs,
        RequestTimeout = settings.RequestTimeout,
        Affinity = Enum.Parse<Affinity>(settings.Affinity, ignoreCase: true),
        Mount = new FuseMountOptions
        {
            MountPoint = settings.Directory,
            Source = settings.Name ?? settings.VhostUserSocket ?? settings.VfioUserSocket!,
            AllowOther = settings.AllowOther,
            AllowNonEmpty = settings.NonEmpty,
            Transport = TransportOf(settings),
        },
    };

    private void Serve()
    {
        using ControlSocket? control = _settings.ControlSocket == null ? null : new ControlSocket(_settings.ControlSocket, Operations().Answer);
        _disk.Ended.ContinueWith(_ => _main.Stop(), TaskScheduler.Default);
        Readiness.Announce(_settings.Detached, _settings.LogFile);
        _main.Run();
        _disk.Stop();
        _disk.Ended.GetAwaiter().GetResult(); // has ended by now; fails if /dev/fuse did
        Log.Info("ended");
    }

    private ControlOperations Operations() => new(() => _main.ScheduleOneShot(StopBySignal))
    {
        ["stats"] = _ => StatsJson.ToReply(_report.Current()),
        ["detach"] = Detach,
    };

    /// <summary>Unmounts, which ends the program. Refused with EBUSY while files are open, unless lazily.</summary>
    private JsonObject? Detach(JsonObject request)
    {
        bool lazy = (bool?)request["lazy"] ?? false;
        try
        {
            _main.Invoke(() => _disk.Unmount(lazy));
            return null;
        }
        catch (FuseMountException e)
        {
            throw new ControlRefusalException(e.Message, e.Errno);
        }
    }

    /// <summary>A signal does not ask whether files are open: the mount goes away, and what is in flight finishes.</summary>
    private void StopBySignal()
    {
        if (_disk.IsStopping)
        {
            _disk.Hurry(); // Unmounted already, and waiting for requests that hang.
            return;
        }

        try
        {
            _disk.Unmount(lazy: false);
        }
        catch (FuseMountException e) when (e.Errno == Errno.EBUSY)
        {
            Log.Warn("files are still open in {0}; unmounting lazily", _settings.Directory);
            _disk.Unmount(lazy: true);
        }

        _main.Stop();
    }
}
