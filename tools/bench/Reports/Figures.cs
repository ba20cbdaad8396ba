using System.Globalization;
using Bench.Measuring;

namespace Bench.Reports;

/// <summary>How figures are written: three digits are enough for what wanders by percents.</summary>
internal static class Figures
{
    /// <summary>Requests a second: <c>27.6k</c>; or bytes a second: <c>3.31 GiB/s</c>.</summary>
    public static string Throughput(double iops, double bytesPerSecond, bool isBandwidth)
    {
        if (!isBandwidth)
        {
            return iops >= 1e6 ? $"{Digits(iops / 1e6)}M" : iops >= 1000 ? $"{Digits(iops / 1000)}k" : Digits(iops);
        }

        double mib = bytesPerSecond / (1 << 20);
        return mib >= 1024 ? $"{Digits(mib / 1024)} GiB/s" : $"{Digits(mib)} MiB/s";
    }

    /// <summary>Microseconds, as <c>µs</c> or <c>ms</c>.</summary>
    public static string Latency(double us) => us >= 1000 ? $"{Digits(us / 1000)} ms" : $"{Digits(us)} µs";

    /// <summary>The median, or a dash.</summary>
    public static string Median(Spread? spread) => spread is { } s ? Digits(s.Median) : "–";

    public static string Ratio(double ratio) =>
        ratio.ToString(ratio >= 100 ? "0×" : ratio >= 10 ? "0.0×" : "0.00×", CultureInfo.InvariantCulture);

    /// <summary>Three significant digits, none of them behind a thousand.</summary>
    public static string Digits(double value) =>
        value.ToString(value >= 99.95 ? "0" : value >= 9.995 ? "0.0" : "0.00", CultureInfo.InvariantCulture);
}
