using Bench.Measuring;

namespace Bench.Contestants;

/// <summary>A contestant that serves its image. Disposing ends its processes and its mount.</summary>
internal abstract class Serving : IDisposable
{
    /// <summary>The file under test.</summary>
    public abstract string File { get; }

    /// <summary>Throws unless the file under test is where it should be, served by whom it should be.</summary>
    /// <exception cref="RingCore.Hosting.UserErrorException">With what is wrong.</exception>
    public abstract void Verify();

    /// <summary>The processes that serve it now; none for the file itself.</summary>
    public abstract IReadOnlyList<int> Processes();

    /// <summary>Our own disk's counters; null for others.</summary>
    public virtual VdiskCounters? Counters() => null;

    /// <inheritdoc/>
    public abstract void Dispose();
}
