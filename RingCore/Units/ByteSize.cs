using System.Globalization;

namespace RingCore.Units;

/// <summary>Sizes as a person types and reads them: powers of 1024 with K, M, G, T; <c>K</c>, <c>KB</c> and <c>KiB</c> alike.</summary>
public static class ByteSize
{
    private const string Units = "KMGT";

    /// <summary>Reads <c>4096</c>, <c>64K</c>, <c>1.5G</c>, <c>1TiB</c>, …: a whole number of bytes from 0 to 2^63 − 1.</summary>
    public static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        ReadOnlySpan<char> number = text.AsSpan().Trim();
        decimal unit = TakeUnit(ref number);
        if (number.IsEmpty || !decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal value))
        {
            return false;
        }

        if (value < 0 || value > long.MaxValue / unit || value * unit % 1 != 0)
        {
            return false;
        }

        bytes = (long)(value * unit);
        return true;
    }

    /// <summary>
    /// The shortest exact or near form: <c>512 B</c>, <c>64K</c>, <c>1.5G</c>; at most two digits after the point, rounded.
    /// </summary>
    public static string Format(long bytes)
    {
        int exponent = 0;
        decimal value = bytes;
        while (exponent < Units.Length && Math.Abs(value) >= 1024)
        {
            value /= 1024;
            exponent++;
        }

        string number = Math.Round(value, 2).ToString("0.##", CultureInfo.InvariantCulture);
        return exponent == 0 ? $"{number} B" : $"{number}{Units[exponent - 1]}";
    }

    /// <summary>Bytes in the largest unit that leaves no fraction: what <see cref="TryParse"/> reads back as the same number.</summary>
    public static string FormatExact(long bytes)
    {
        int exponent = Units.Length;
        while (exponent > 0 && (bytes == 0 || bytes % (1L << (10 * exponent)) != 0))
        {
            exponent--;
        }

        string number = (bytes >> (10 * exponent)).ToString(CultureInfo.InvariantCulture);
        return exponent == 0 ? number : $"{number}{Units[exponent - 1]}";
    }

    /// <summary>Cuts the unit off the end of <paramref name="number"/> and returns its factor; 1 when there is none.</summary>
    private static decimal TakeUnit(ref ReadOnlySpan<char> number)
    {
        ReadOnlySpan<char> rest = number;
        if (rest.EndsWith("B", StringComparison.OrdinalIgnoreCase))
        {
            rest = rest[..^1];
            if (rest.EndsWith("i", StringComparison.OrdinalIgnoreCase))
            {
                rest = rest[..^1];
                if (rest.IsEmpty || !Units.Contains(char.ToUpperInvariant(rest[^1])))
                {
                    return 1; // "5iB": the number keeps its letters, and so does not parse
                }
            }
        }

        int exponent = rest.IsEmpty ? 0 : Units.IndexOf(char.ToUpperInvariant(rest[^1])) + 1;
        number = exponent == 0 ? rest.TrimEnd() : rest[..^1].TrimEnd();
        return 1L << (10 * exponent);
    }
}
