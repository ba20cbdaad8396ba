using System.Globalization;
using RingCore.Units;

namespace RingCore.Faults;

/// <summary>Numbers as rules have them. What is printed is exact, and read back as the same number.</summary>
public static class RuleUnits
{
    /// <summary>A number of bytes, or one with K, M, G or T, that begins with a digit.</summary>
    public static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        return StartsWithDigit(text) && ByteSize.TryParse(text, out bytes);
    }

    /// <summary>A percentage such as <c>0.1%</c>, above 0 and at most 100.</summary>
    public static bool TryParsePercent(string text, out decimal percent)
    {
        percent = 0;
        return text.EndsWith('%') && StartsWithDigit(text)
            && decimal.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out percent)
            && percent is > 0 and <= 100;
    }

    public static string PrintPercent(decimal percent) =>
        percent.ToString("0.############################", CultureInfo.InvariantCulture) + "%";

    private static bool StartsWithDigit(string text) => text.Length > 0 && char.IsAsciiDigit(text[0]);
}
