using System.Globalization;
using RingCore.Hosting;
using RingCore.Units;
using Spectre.Console;
using Spectre.Console.Rendering;
using Vdisk.Attachments;

namespace Vdisk.Commands;

/// <summary>The counters as tables: a row for each, a column for each queue, and one for all together.</summary>
internal static class StatsTable
{
    private const int QueuesPerTable = 8;

    /// <summary>Counts since the start; with a sample from <paramref name="before"/>, per second.</summary>
    public static IRenderable Of(Attachment record, StatsSample now, StatsSample? before)
    {
        double seconds = before is null ? 0 : Math.Max(now.TimeMs - before.TimeMs, 1) / 1000.0;
        List<IRenderable> parts = [new Text($"{record.Image} at {Registry.PlaceOf(record)}{(before is null ? "" : ", per second")}")];
        if (now.Front is { } front)
        {
            parts.Add(new Text($"\nfusefront, pid {front.Runtime?.Pid}: FUSE over {front.FuseTransport}, backend {(front.BackendConnected ? "connected" : "lost")}"
                + (front.DeviceResets > 0 ? $", reset {front.DeviceResets} times" : "")));
            parts.AddRange(Tables(front.Queues, before?.Front?.Queues, q => $"queue {q.Index}", FrontRows, seconds));
        }
        else
        {
            parts.Add(new Text("\nfusefront has ended"));
        }

        if (now.Backend is { } backend)
        {
            parts.Add(new Text(
                $"\nbackend, pid {backend.Runtime?.Pid}: --aio {backend.Aio}, --cache {backend.Cache}{(backend.ReadOnly ? ", read-only" : "")}, "
                + $"data plane {backend.DataPlane}, device status {Names(backend.DeviceStatusNames)}\n"
                + $"features {Names(backend.FeatureNames)}"));
            if (backend.Recording is { } recording)
            {
                parts.Add(new Text(recording.Failure is null
                    ? $"recording to {recording.File}: {recording.Records} records, {ByteSize.Format(recording.Bytes)}"
                    : $"recording to {recording.File} has ended: {recording.Failure}"));
            }

            // A twin that was never used is no news.
            BackendQueueStats[] queues = [.. backend.Queues.Where(q => q.TwinOf is null || q.Batches > 0)];
            BackendQueueStats[]? queuesBefore = before?.Backend?.Queues.Where(q => queues.Any(now => now.Index == q.Index)).ToArray();
            parts.AddRange(Tables(queues, queuesBefore, NameOf, BackendRows, seconds));
        }
        else
        {
            parts.Add(new Text(record.VhostUserSocket is null
                ? "\nbackend has ended"
                : "\nthe back end is not ours: these are the front's counters, what it counts itself has to be asked there"));
        }

        return new Rows(parts);
    }

    private static readonly Row<FrontQueueStats>[] FrontRows =
    [
        .. OperationRows<FrontQueueStats>(q => q.Operations),
        new("errors", q => q.Errors),
        new("in flight", q => q.InFlight, Kind.Level),
        new("kicks sent", q => q.KicksSent),
        new("kicks suppressed", q => q.KicksSuppressed),
        new("irqs received", q => q.IrqsReceived),
        new("irqs lost", q => q.IrqsLost),
        new("kicks repeated", q => q.KicksRepeated),
        new("requests resubmitted", q => q.RequestsResubmitted),
        new("batches", q => q.Batches),
        new("batch, mean", q => q.MeanBatch, Kind.Mean),
        new("batch, max", q => q.MaxBatch, Kind.Highest),
        new("poll hits", q => q.PollHits),
        new("poll misses", q => q.PollMisses),
        new("placement moves", q => q.PlacementMoves),
        .. LatencyRows<FrontQueueStats>(q => q.Latency),
    ];

    private static readonly Row<BackendQueueStats>[] BackendRows =
    [
        .. OperationRows<BackendQueueStats>(q => q.Operations),
        new("errors", q => q.Errors),
        new("in flight", q => q.InFlight, Kind.Level),
        new("merged requests", q => q.MergedRequests),
        new("kicks received", q => q.KicksReceived),
        new("irqs raised", q => q.IrqsRaised),
        new("irqs suppressed", q => q.IrqsSuppressed),
        new("batches", q => q.Batches),
        new("batch, mean", q => q.MeanBatch, Kind.Mean),
        new("batch, max", q => q.MaxBatch, Kind.Highest),
        new("poll hits", q => q.PollHits),
        new("poll misses", q => q.PollMisses),
        .. LatencyRows<BackendQueueStats>(q => q.Latency),
    ];

    /// <summary>What the figures of several queues, and of two moments, make together.</summary>
    private enum Kind
    {
        /// <summary>Only grows; all queues add up.</summary>
        Counter,

        /// <summary>As a counter, in bytes.</summary>
        Bytes,

        /// <summary>Of this moment; all queues add up.</summary>
        Level,

        /// <summary>All queues together have none that could be told from theirs.</summary>
        Mean,

        /// <summary>All queues together have the highest of theirs.</summary>
        Highest,
    }

    private sealed record Row<T>(string Name, Func<T, double> Value, Kind Kind = Kind.Counter);

    private static IEnumerable<Row<T>> OperationRows<T>(Func<T, OperationStats> operations)
    {
        (string Name, Func<OperationStats, OperationCount> Count)[] types =
        [
            ("read", o => o.Read), ("write", o => o.Write), ("discard", o => o.Discard), ("write zeroes", o => o.WriteZeroes),
        ];
        foreach ((string name, Func<OperationStats, OperationCount> count) in types)
        {
            yield return new Row<T>($"{name} requests", q => count(operations(q)).Requests);
            yield return new Row<T>($"{name} bytes", q => count(operations(q)).Bytes, Kind.Bytes);
        }

        yield return new Row<T>("flush requests", q => operations(q).Flush.Requests);
        yield return new Row<T>("other requests", q => operations(q).Other.Requests);
    }

    private static IEnumerable<Row<T>> LatencyRows<T>(Func<T, LatencyStats> latency) =>
    [
        new("latency p50, µs", q => latency(q).P50Us, Kind.Mean),
        new("latency p99, µs", q => latency(q).P99Us, Kind.Mean),
        new("latency max, µs", q => latency(q).MaxUs, Kind.Highest),
    ];

    private static string NameOf(BackendQueueStats queue) => queue.TwinOf is { } own ? $"twin of {own}" : $"queue {queue.Index}";

    private static string Names(IReadOnlyList<string> names) => names.Count == 0 ? "none" : string.Join(' ', names);

    private static IEnumerable<Table> Tables<T>(IReadOnlyList<T> queues, IReadOnlyList<T>? before, Func<T, string> name, Row<T>[] rows, double seconds)
    {
        for (int first = 0; first < queues.Count; first += QueuesPerTable)
        {
            int count = Math.Min(QueuesPerTable, queues.Count - first);
            Table table = new Table().Border(TableBorder.Simple).AddColumn("");
            table.AddColumn(new TableColumn("all").RightAligned());
            for (int i = 0; i < count; i++)
            {
                table.AddColumn(new TableColumn(name(queues[first + i])).RightAligned());
            }

            foreach (Row<T> row in rows)
            {
                double[] values = [.. Values(queues, before, row, seconds)];
                string[] cells = [row.Name, Together(values, row.Kind), .. values.Skip(first).Take(count).Select(v => Show(v, row.Kind))];
                table.AddRow([.. cells.Select(cell => new Text(cell))]);
            }

            yield return table;
        }
    }

    private static IEnumerable<double> Values<T>(IReadOnlyList<T> queues, IReadOnlyList<T>? before, Row<T> row, double seconds)
    {
        for (int i = 0; i < queues.Count; i++)
        {
            double value = row.Value(queues[i]);
            bool isRate = row.Kind is Kind.Counter or Kind.Bytes && before is not null && i < before.Count;
            yield return isRate ? (value - row.Value(before![i])) / seconds : value;
        }
    }

    private static string Together(double[] values, Kind kind) => kind switch
    {
        Kind.Mean => "",
        Kind.Highest => Show(values.Max(), kind),
        _ => Show(values.Sum(), kind),
    };

    private static string Show(double value, Kind kind) => kind switch
    {
        Kind.Bytes => ByteSize.Format((long)value),
        Kind.Mean => value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.ToString("N0", CultureInfo.InvariantCulture),
    };
}
