using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Backend.Block;
using Backend.Device;
using Backend.Faults;
using Backend.Server;
using NLog;
using RingCore.Aio;
using RingCore.Hosting;
using RingCore.Log;
using RingCore.Memory;

namespace Backend;

/// <summary>
/// The <c>backend</c> program: an image, a virtio-blk device over it, and the server through which drivers reach it. The
/// main loop's thread builds it, serves, and takes it down in reverse when a signal comes.
/// </summary>
internal sealed class BackendProgram : IDisposable
{
    private const int MaxMarkLength = 4096;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly BackendSettings _settings;
    private readonly AioContext _main;
    private readonly List<IoThread> _ioThreads = [];
    private readonly GuestMemory _memory = new();
    private readonly RawImage _image;
    private readonly DiskStack _disk;
    private readonly VirtioBlk _device;
    private readonly ClientServer _server;
    private readonly BackendReport _report;
    private readonly FaultControl _faults;

    private BackendProgram(BackendSettings settings, AioContext main)
    {
        _settings = settings;
        _main = main;
        _image = RawImage.Open(new RawImageOptions
        {
            Path = settings.Image,
            ReadOnly = settings.ReadOnly,
            Engine = settings.Aio == "threads" ? AioEngine.Threads : AioEngine.Auto,
            Cache = Enum.Parse<CacheMode>(settings.Cache, ignoreCase: true),
        });
        try
        {
            _disk = new DiskStack(_image, settings);
        }
        catch
        {
            _image.Dispose();
            throw;
        }

        try
        {
            for (int i = 0; i < settings.UsefulIoThreads; i++)
            {
                string name = i < settings.Queues ? $"io-{i}" : $"twin-{i - settings.Queues}";
                _ioThreads.Add(new IoThread(new AioContextOptions { Name = name, PollMaxNs = settings.PollMaxNs ?? 0 }));
            }

            _device = new VirtioBlk(DeviceConfig(settings), _disk.Top, main, _ioThreads);
            _server = Serve(settings, main);
            _server.Admits = _disk.Admits;
            _faults = new FaultControl(_disk, _device, main);
            _report = new BackendReport(settings, _image, _device, _server, _disk.Log);
        }
        catch
        {
            DisposeThreads();
            _disk.Dispose();
            throw;
        }
    }

    /// <summary>Runs the program; the exit code is its result.</summary>
    public static int Run(BackendSettings settings)
    {
        if (settings.Detached)
        {
            Readiness.LeaveTerminal();
        }

        // A write past `ulimit -f` is to fail with EFBIG, not to end the process.
        const PosixSignal FileSizeExceeded = (PosixSignal)25;
        using PosixSignalRegistration fileSize = PosixSignalRegistration.Create(FileSizeExceeded, context => context.Cancel = true);
        LogSetup.Configure("backend", settings.LogLevel, settings.LogFile, toStderr: settings.LogFile == null);
        using AioContext main = new(new AioContextOptions { Name = "backend-main" });
        using TerminationSignals signals = new(signal =>
        {
            Log.Info("{0}: finishing", signal);
            main.ScheduleOneShot(main.Stop); // also when the loop does not run yet
        });
        using BackendProgram program = new(settings, main);
        program.Serve();
        return ExitCodes.Success;
    }

    /// <summary>Stops the device first, so that every request in flight is answered, and closes the image last.</summary>
    public void Dispose()
    {
        _server.Dispose();
        _device.Dispose();
        DisposeThreads();
        _memory.Dispose();
        _disk.Dispose();
    }

    /// <summary>The device behind the transport that was asked for, and the server at its socket.</summary>
    private ClientServer Serve(BackendSettings settings, AioContext main)
    {
        if (settings.VhostUserSocket is { } path)
        {
            VhostUserTransport transport = new(_memory, main);
            transport.Plug(_device);
            _device.AttachTransport(transport);
            _disk.Connect(_device);
            return new VhostUserServer(main, transport, path);
        }

        VirtioPciProxy proxy = new(_memory, new VirtioPciOptions
        {
            Transitional = settings.Transitional,
            ModernPioNotify = settings.Transitional,
        });
        proxy.Plug(_device);
        _device.AttachTransport(proxy);
        _disk.Connect(_device);
        return new VfioUserServer(main, proxy, settings.VfioUserSocket!);
    }

    private static VirtioBlkConfig DeviceConfig(BackendSettings settings) => new()
    {
        Serial = settings.Serial ?? "vdisk",
        QueueCount = settings.Queues,
        HasTwins = settings.HasTwins,
        QueueSize = (ushort)settings.QueueSize,
        WriteCache = settings.Cache != "writethrough",
        PollMaxNs = settings.PollMaxNs,
        WithheldFeatures = settings.WithheldFeatures,
    };

    private void DisposeThreads()
    {
        foreach (IoThread thread in _ioThreads)
        {
            thread.Dispose();
        }
    }

    private void Serve()
    {
        using ControlSocket? control = _settings.ControlSocket == null ? null : new ControlSocket(_settings.ControlSocket, Operations().Answer);
        Log.Info("serving {0}, {1} bytes, at {2}", _settings.Image, _image.Limits.Length, _server.Path);
        _disk.Log?.Keep();
        Readiness.Announce(_settings.Detached, _settings.LogFile);
        _main.Run();
        Log.Info("ended");
    }

    private ControlOperations Operations()
    {
        ControlOperations operations = new(_main.Stop) { ["stats"] = _ => Stats(), ["log-mark"] = Mark };
        _faults.AddTo(operations);
        return operations;
    }

    private JsonObject Stats()
    {
        JsonObject? reply = null;
        _main.Invoke(() => reply = StatsJson.ToReply(_report.Current()));
        return reply!;
    }

    private JsonObject Mark(JsonObject request)
    {
        LogWriter log = _disk.Log ?? throw new UserErrorException("the disk is not recorded; attach it with --record FILE");
        string text = request["text"] is JsonValue value && value.TryGetValue(out string? given) ? given : "";
        if (text.Length is 0 or > MaxMarkLength)
        {
            throw new UserErrorException($"a mark needs a text of 1 to {MaxMarkLength} characters");
        }

        return new JsonObject { ["record"] = log.Mark(text) };
    }
}
