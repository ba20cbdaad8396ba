using System.Globalization;

namespace RingCore.Units;

/// <summary>A time as a person types and reads it: <c>500ms</c>, <c>1.5s</c>, <c>2m</c>. What is printed is exact, and read back as the same time.</summary>
/// <param name="Ns">Nanoseconds, not below 0.</param>
public readonly record struct Duration(long Ns)
{
    private static readonly (string Name, long Ns)[] Units =
        [("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

    public static Duration FromSeconds(int seconds) => new(seconds * 1_000_000_000L);

    /// <summary>Of a span that is not below 0 nor above 292 years.</summary>
    public static Duration From(TimeSpan span) => new(checked(span.Ticks * 100));

    /// <summary>Reads a number with one of the units ns, us, ms, s and m: a whole number of nanoseconds.</summary>
    public static bool TryParse(string text, out Duration duration)
    {
        duration = default;
        int digits = text.AsSpan().IndexOfAnyExcept("0123456789.");
        if (digits <= 0 || !char.IsAsciiDigit(text[0]))
        {
            return false;
        }

        (string name, long unit) = Array.Find(Units, u => u.Name.AsSpan().SequenceEqual(text.AsSpan(digits)));
        if (name is null
            || !decimal.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal value)
            || value > long.MaxValue / unit
            || value * unit % 1 != 0)
        {
            return false;
        }

        duration = new Duration((long)(value * unit));
        return true;
    }

    /// <summary>As <see cref="TryParse"/>; a number without a unit is seconds.</summary>
    public static bool TryParseOrSeconds(string text, out Duration duration) =>
        TryParse(text.Length > 0 && char.IsAsciiDigit(text[^1]) ? text + "s" : text, out duration);

    /// <summary>Rounded down to 100 ns.</summary>
    public TimeSpan ToTimeSpan() => TimeSpan.FromTicks(Ns / 100);

    /// <summary>In the largest unit that leaves no fraction.</summary>
    public override string ToString()
    {
        foreach ((string name, long unit) in Units)
        {
            if (Ns != 0 && Ns % unit == 0)
            {
                return (Ns / unit).ToString(CultureInfo.InvariantCulture) + name;
            }
        }

        return "0s";
    }
}
