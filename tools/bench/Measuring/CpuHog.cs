using System.Diagnostics;

namespace Bench.Measuring;

/// <summary>Someone else who wants a CPU: <c>stress-ng --cpu 1</c>, as long as this object lives.</summary>
internal sealed class CpuHog : IDisposable
{
    private readonly Process _process = Command.Start(new ProcessStartInfo("stress-ng", ["--quiet", "--cpu", "1"]));

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }
}
