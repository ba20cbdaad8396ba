using System.Text.Json;
using RingCore.Hosting;

namespace Bench.Fio;

/// <summary>What fio measured, all jobs and both directions together.</summary>
/// <param name="Requests">Completed requests.</param>
/// <param name="Iops">Requests a second.</param>
/// <param name="BytesPerSecond">Payload.</param>
/// <param name="P50Us">Median completion latency, µs.</param>
/// <param name="P99Us">99th percentile of it, µs.</param>
internal sealed record FioResult(long Requests, double Iops, double BytesPerSecond, double P50Us, double P99Us)
{
    /// <summary>Reads fio's JSON, which warnings may precede.</summary>
    /// <exception cref="UserErrorException">It is no result, or the job failed.</exception>
    public static FioResult Parse(string output)
    {
        int start = output.StartsWith('{') ? 0 : output.IndexOf("\n{", StringComparison.Ordinal);
        if (start < 0)
        {
            throw new UserErrorException($"fio gave no result ({Command.FirstLine(output) ?? "nothing was written"}); run it by hand on a plain file");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(output[start..]);
            JsonElement job = document.RootElement.GetProperty("jobs")[0];
            int error = job.GetProperty("error").GetInt32();
            if (error != 0)
            {
                throw new UserErrorException($"fio's job failed with errno {error} ({Command.FirstLine(output) ?? "nothing was written"})");
            }

            return OfJob(job.GetProperty("mixed"));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new UserErrorException($"fio's result cannot be read ({e.Message}); this needs fio 3.x", e);
        }
    }

    private static FioResult OfJob(JsonElement mixed)
    {
        long requests = mixed.GetProperty("total_ios").GetInt64();
        if (requests == 0)
        {
            throw new UserErrorException("fio completed no request; give it a longer --runtime");
        }

        JsonElement percentiles = mixed.GetProperty("clat_ns").GetProperty("percentile");
        return new FioResult(
            requests,
            mixed.GetProperty("iops").GetDouble(),
            mixed.GetProperty("bw_bytes").GetDouble(),
            percentiles.GetProperty("50.000000").GetDouble() / 1000,
            percentiles.GetProperty("99.000000").GetDouble() / 1000);
    }
}
