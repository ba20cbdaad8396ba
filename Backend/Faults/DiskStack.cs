using System.Diagnostics;
using Backend.Block;
using Backend.Device;
using Backend.Recording;
using NLog;
using RingCore.Faults;
using RingCore.Hosting;
using RingCore.Log;

namespace Backend.Faults;

/// <summary>
/// The image with the filters over it: the volatile cache if there is to be one, the recorder if the disk is recorded, and
/// the fault filter once there is a rule or a power cut: what a fault keeps from the disk is not recorded. Owns them all. Until a
/// filter is there nothing of it is in the requests' way.
/// </summary>
internal sealed class DiskStack : IDisposable, IFaultHost
{
    private static readonly Logger Logger = LogManager.GetCurrentClassLogger();
    private readonly VolatileCacheFilter? _cache;
    private readonly DeviceFaults _deviceFaults;
    private FaultFilter? _filter;

    /// <exception cref="UserErrorException">The scenario file is wrong.</exception>
    internal DiskStack(RawImage image, BackendSettings settings)
    {
        Scenario? scenario = settings.Faults is null ? null : Load(settings.Faults);
        Top = image;
        if (settings.VolatileCache > 0)
        {
            if (settings.Cache == "writethrough")
            {
                throw new UserErrorException("--volatile-cache holds nothing with --cache writethrough; use writeback or none");
            }

            Top = _cache = new VolatileCacheFilter(image, settings.VolatileCache);
        }

        if (settings.Record is not null)
        {
            Log = CreateLog(settings.Record, image);
            Top = new RecordFilter(Top, Log);
        }

        Power = new PowerControl(_cache);
        ulong seed = settings.FaultSeed is { } given ? (ulong)given : (uint)Random.Shared.Next();
        Engine = new FaultEngine(seed, image.Limits, settings.Queues, this);
        _deviceFaults = new DeviceFaults(Engine);
        try
        {
            foreach (ScenarioRule rule in scenario?.Rules ?? [])
            {
                Engine.Add(rule.Rule);
            }
        }
        catch
        {
            Log?.Dispose();
            _cache?.Dispose();
            throw;
        }

        if (scenario is not null)
        {
            Logger.Info("fault seed {0}", seed);
            CreateFilter();
        }
    }

    /// <summary>What requests go to.</summary>
    internal IBlockDriver Top { get; private set; }

    /// <summary>The log of what reaches the disk; null when it is not recorded.</summary>
    internal LogWriter? Log { get; }

    internal FaultEngine Engine { get; }

    internal PowerControl Power { get; }

    /// <summary>The unflushed writes in the volatile cache and their bytes; null without one.</summary>
    internal (int Writes, long Bytes)? CacheUsage => _cache?.Store.Usage;

    /// <summary>The size of the volatile cache; 0 without one.</summary>
    internal long CacheSize => _cache?.Store.Size ?? 0;

    /// <summary>Lets the device look at <see cref="Top"/> as it is now. Server's thread.</summary>
    internal void Connect(VirtioBlk device) => device.ReplaceDriver(Top, _filter is null ? null : _deviceFaults);

    /// <summary>Puts the fault filter in, if it is not there. Server's thread.</summary>
    internal void RequireFilter(VirtioBlk device)
    {
        if (_filter is null)
        {
            Logger.Info("fault filter goes in, seed {0}", Engine.Seed);
            IBlockDriver below = Top;
            CreateFilter();
            try
            {
                Connect(device);
            }
            catch
            {
                (Top, _filter) = (below, null);
                throw;
            }
        }
    }

    /// <summary>Rules about clients that connect.</summary>
    internal bool Admits() => _deviceFaults.Admits();

    /// <inheritdoc/>
    public void Kill(string why)
    {
        Logger.Fatal("the backend kills itself: {0}", why);
        LogManager.Flush();
        Process.GetCurrentProcess().Kill();
        Thread.Sleep(Timeout.Infinite); // the signal is on its way; nothing may happen after it
    }

    /// <inheritdoc/>
    public void CutPower(PowerCutKeep keep, ulong seed) => Power.Cut(keep, (uint)seed);

    /// <summary>An orderly end: the volatile cache is written back, the image closed.</summary>
    public void Dispose() => Top.Dispose();

    private static Scenario Load(string path)
    {
        Scenario scenario = Scenario.Parse(File.ReadAllText(path));
        if (scenario.Problems.Count > 0)
        {
            ScenarioProblem first = scenario.Problems[0];
            string more = scenario.Problems.Count == 1 ? "" : $" (and {scenario.Problems.Count - 1} more)";
            throw new UserErrorException($"{path}:{first.Line}: {first.Text}{more}; see 'vdisk fault check {path}'");
        }

        return scenario;
    }

    private static LogWriter CreateLog(string path, RawImage image) => LogWriter.Create(path, new LogHeader
    {
        ImageLength = image.Limits.Length,
        BlockSize = image.Limits.PhysicalBlockSize,
        Created = DateTimeOffset.UtcNow,
        ImageDevice = image.Identity.Device,
        ImageInode = image.Identity.Inode,
    });

    private void CreateFilter() => Top = _filter = new FaultFilter(Top, Engine, Power.Switch);
}
