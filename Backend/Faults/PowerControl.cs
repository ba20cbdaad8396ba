using NLog;
using RingCore.Faults;
using RingCore.Hosting;

namespace Backend.Faults;

/// <summary>Cuts the disk's power and turns it on again, and keeps the account of what the last cut lost. Any thread.</summary>
internal sealed class PowerControl(VolatileCacheFilter? cache)
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Lock _switching = new();

    internal PowerSwitch Switch { get; } = new();

    /// <summary>Of the last cut; null before the first.</summary>
    internal PowerCutReport? LastCut { get; private set; }

    /// <summary>Cuts the power: what is not stable is lost as <paramref name="keep"/> says, requests end with EIO.</summary>
    /// <returns>Null when it was off.</returns>
    internal PowerCutReport? Cut(PowerCutKeep keep, ulong seed)
    {
        lock (_switching)
        {
            if (Switch.IsOff)
            {
                return null;
            }

            Switch.Set(on: false);
            PowerCutReport report = cache?.Cut(keep, seed) ?? PowerCutReport.WithoutCache(keep, seed);
            LastCut = report;
            Log.Warn(
                "power cut (keep {0}, seed {1}): {2} of {3} unflushed writes are lost, {4} torn",
                keep.Word(),
                seed,
                report.Lost,
                report.Unflushed,
                report.Torn);
            return report;
        }
    }

    /// <exception cref="UserErrorException">It is on.</exception>
    internal void TurnOn()
    {
        lock (_switching)
        {
            if (!Switch.IsOff)
            {
                throw new UserErrorException("the disk's power is on already");
            }

            cache?.PowerOn();
            Switch.Set(on: true);
            Log.Info("power is on");
        }
    }
}
