using System.Globalization;
using RingCore.Hosting;

namespace RingCore.Faults;

/// <summary>Numbers with units in rules. What is printed is exact, and read back as the same number.</summary>
public static class RuleUnits
{
    private static readonly (string Name, long Ns)[] TimeUnits =
        [("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

    private static readonly (string Name, long Bytes)[] SizeUnits = [("T", 1L << 40), ("G", 1L << 30), ("M", 1L << 20), ("K", 1L << 10)];

    /// <summary>A number of bytes, or one with K, M, G or T.</summary>
    public static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        return StartsWithDigit(text) && ByteSize.TryParse(text, out bytes);
    }

    /// <summary>Bytes in the largest unit that leaves no fraction.</summary>
    public static string PrintSize(long bytes)
    {
        foreach ((string name, long unit) in SizeUnits)
        {
            if (bytes != 0 && bytes % unit == 0)
            {
                return (bytes / unit).ToString(CultureInfo.InvariantCulture) + name;
            }
        }

        return bytes.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>A time such as <c>20ms</c> or <c>1.5s</c>: a whole number of nanoseconds.</summary>
    public static bool TryParseTime(string text, out long ns)
    {
        ns = 0;
        int digits = text.AsSpan().IndexOfAnyExcept("0123456789.");
        if (digits <= 0 || !StartsWithDigit(text))
        {
            return false;
        }

        (string name, long unit) = Array.Find(TimeUnits, u => u.Name.AsSpan().SequenceEqual(text.AsSpan(digits)));
        if (name is null || !TryParseDecimal(text.AsSpan(0, digits), out decimal value))
        {
            return false;
        }

        if (value > long.MaxValue / unit || value * unit % 1 != 0)
        {
            return false;
        }

        ns = (long)(value * unit);
        return true;
    }

    /// <summary>Nanoseconds in the largest unit that leaves no fraction.</summary>
    public static string PrintTime(long ns)
    {
        foreach ((string name, long unit) in TimeUnits)
        {
            if (ns != 0 && ns % unit == 0)
            {
                return (ns / unit).ToString(CultureInfo.InvariantCulture) + name;
            }
        }

        return "0s";
    }

    /// <summary>A percentage such as <c>0.1%</c>, above 0 and at most 100.</summary>
    public static bool TryParsePercent(string text, out decimal percent)
    {
        percent = 0;
        return text.EndsWith('%') && StartsWithDigit(text) && TryParseDecimal(text.AsSpan(0, text.Length - 1), out percent)
            && percent is > 0 and <= 100;
    }

    public static string PrintPercent(decimal percent) =>
        percent.ToString("0.############################", CultureInfo.InvariantCulture) + "%";

    private static bool StartsWithDigit(string text) => text.Length > 0 && char.IsAsciiDigit(text[0]);

    private static bool TryParseDecimal(ReadOnlySpan<char> text, out decimal value) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value);
}
