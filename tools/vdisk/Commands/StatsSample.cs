using System.Text.Json;
using System.Text.Json.Nodes;
using RingCore.Hosting;

namespace Vdisk.Commands;

/// <summary>Both processes' counters at one moment. Null stands for a process that has ended.</summary>
internal sealed record StatsSample(long TimeMs, FrontStats? Front, BackendStats? Backend)
{
    /// <exception cref="UserErrorException">A reply is not what it should be.</exception>
    public static StatsSample Of(JsonObject? front, JsonObject? backend)
    {
        try
        {
            return new StatsSample(
                Environment.TickCount64,
                front is null ? null : StatsJson.ToFrontStats(front),
                backend is null ? null : StatsJson.ToBackendStats(backend));
        }
        catch (JsonException e)
        {
            throw new UserErrorException($"the statistics cannot be read ({e.Message}); detach and attach with this version of vdisk", e);
        }
    }
}
