using Bench.Cases;
using Bench.Contestants;

namespace Bench;

/// <summary>What is to be measured, and how.</summary>
internal sealed record BenchOptions
{
    public required IReadOnlyList<Workload> Workloads { get; init; }

    /// <summary>Makes the contestants, given the folder for vdisk's sockets.</summary>
    public required Func<string, IReadOnlyList<Contestant>> Contestants { get; init; }

    /// <summary>Bytes of data in an image.</summary>
    public required long Size { get; init; }

    /// <summary>Of one measurement.</summary>
    public required TimeSpan Runtime { get; init; }

    /// <summary>Once for each contestant, before anything is measured.</summary>
    public required TimeSpan WarmUp { get; init; }

    public required int Rounds { get; init; }

    /// <summary>Where the images lie.</summary>
    public required string Directory { get; init; }

    /// <summary>Someone else takes a CPU meanwhile.</summary>
    public bool Hog { get; init; }

    public required string JsonFile { get; init; }

    public required string HtmlFile { get; init; }

    /// <summary>Known before the run; they stand in the report.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}
