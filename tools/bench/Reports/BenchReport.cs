using System.Text.Json;
using System.Text.Json.Serialization;
using Bench.Measuring;

namespace Bench.Reports;

/// <summary>All that a run found out: what is written as JSON, and what the table and the page are made from.</summary>
internal sealed record BenchReport
{
    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        WriteIndented = true,
    };

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Of the source, with <c>+</c> when there were changes; null when it is not known.</summary>
    public string? Commit { get; init; }

    public required Machine Machine { get; init; }

    public required ReportSettings Settings { get; init; }

    public required IReadOnlyList<ReportCase> Cases { get; init; }

    public required IReadOnlyList<ReportContestant> Contestants { get; init; }

    /// <summary>By case, and in it by contestant.</summary>
    public required IReadOnlyList<ReportResult> Results { get; init; }

    public required IReadOnlyList<ReportRatio> Ratios { get; init; }

    /// <summary>What a reader should know, in sentences.</summary>
    public required IReadOnlyList<string> Notes { get; init; }
}

/// <summary>How it was measured.</summary>
internal sealed record ReportSettings(string Directory, long SizeBytes, double RuntimeSeconds, int Rounds, bool Hog);

/// <inheritdoc cref="Cases.Workload"/>
internal sealed record ReportCase(string Name, string Title, bool IsBandwidth, int BlockSize);

/// <summary>Who took part.</summary>
/// <param name="Kind"><c>ours</c>, <c>raw</c> or <c>peer</c>.</param>
/// <param name="Transport">How FUSE's requests reach ours: <c>uring</c> or <c>dev</c>.</param>
/// <param name="Features">Negotiated virtio features of ours.</param>
internal sealed record ReportContestant(
    string Name, string Family, Contestants.ContestantKind Kind, string Description, string? Transport, string? Features);

/// <summary>One measurement.</summary>
/// <param name="CpuUsPerRequest">User and system time of all server processes; null for the file itself.</param>
/// <param name="KicksPerRequest">Doorbells that reached our backend; null for others.</param>
/// <param name="IrqsPerRequest">Interrupts that reached our front; null for others.</param>
internal sealed record Sample(
    int Round,
    double Iops,
    double BytesPerSecond,
    double P50Us,
    double P99Us,
    double? CpuUsPerRequest,
    double? KicksPerRequest,
    double? IrqsPerRequest);

/// <summary>One contestant in one case: its rounds, and what they say together.</summary>
internal sealed record ReportResult
{
    public required string Case { get; init; }

    public required string Contestant { get; init; }

    public required IReadOnlyList<Sample> Samples { get; init; }

    public required Spread Iops { get; init; }

    public required Spread BytesPerSecond { get; init; }

    public required Spread P50Us { get; init; }

    public required Spread P99Us { get; init; }

    public Spread? CpuUsPerRequest { get; init; }

    public Spread? KicksPerRequest { get; init; }

    public Spread? IrqsPerRequest { get; init; }

    /// <param name="case">Name of the case.</param>
    /// <param name="contestant">Name of the contestant.</param>
    /// <param name="samples">At least one.</param>
    public static ReportResult Of(string @case, string contestant, IReadOnlyList<Sample> samples)
    {
        Spread? Over(Func<Sample, double?> value) => Spread.Of(samples.Select(value).OfType<double>());
        return new ReportResult
        {
            Case = @case,
            Contestant = contestant,
            Samples = samples,
            Iops = Over(s => s.Iops)!.Value,
            BytesPerSecond = Over(s => s.BytesPerSecond)!.Value,
            P50Us = Over(s => s.P50Us)!.Value,
            P99Us = Over(s => s.P99Us)!.Value,
            CpuUsPerRequest = Over(s => s.CpuUsPerRequest),
            KicksPerRequest = Over(s => s.KicksPerRequest),
            IrqsPerRequest = Over(s => s.IrqsPerRequest),
        };
    }
}

/// <summary>Our first disk beside another contestant in one case. Medians by medians.</summary>
/// <param name="Case">Name of the case.</param>
/// <param name="Subject">Name of our disk.</param>
/// <param name="Against">What the column is called: a contestant, <c>best FAMILY</c> or <c>best peer</c>.</param>
/// <param name="Contestant">The contestant that this is in this case.</param>
/// <param name="Throughput">Above 1: ours is faster.</param>
/// <param name="Low">The lowest ratio of throughput in one round.</param>
/// <param name="High">The highest.</param>
/// <param name="P99">Above 1: ours is later.</param>
/// <param name="Cpu">Above 1: ours takes more; null where there is no such figure.</param>
internal sealed record ReportRatio(
    string Case,
    string Subject,
    string Against,
    string Contestant,
    double Throughput,
    double Low,
    double High,
    double P99,
    double? Cpu);
