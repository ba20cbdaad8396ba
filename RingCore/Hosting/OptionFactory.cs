using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using RingCore.Units;

namespace RingCore.Hosting;

/// <summary>Options and arguments that check their value while it is parsed, so that a wrong one is a usage error.</summary>
public static class OptionFactory
{
    /// <summary>
    /// A whole number from <paramref name="min"/> to <paramref name="max"/>; without a <paramref name="standard"/> value the
    /// command finds out whether the option was given.
    /// </summary>
    public static Option<T> Number<T>(string name, string description, T min, T max, T? standard)
        where T : struct, IBinaryInteger<T> =>
        new(name)
        {
            Description = $"{description} ({min} to {max})",
            HelpName = "N",
            DefaultValueFactory = standard is T value ? _ => value : null,
            CustomParser = result => ParseNumber(result, name, min, max),
        };

    /// <summary>As <see cref="Number"/>, and a power of two.</summary>
    public static Option<int> PowerOfTwo(string name, string description, int min, int max, int standard) =>
        new(name)
        {
            Description = $"{description} (a power of two, {min} to {max})",
            HelpName = "N",
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                int value = ParseNumber(result, name, min, max);
                if (value >= min && value <= max && !BitOperations.IsPow2(value))
                {
                    result.AddError($"{name} {value} is not a power of two from {min} to {max}");
                }

                return value;
            },
        };

    /// <summary>As <see cref="Number"/>, or null when the option is absent.</summary>
    public static Option<long?> OptionalNumber(string name, string description, long min, long max) =>
        new(name)
        {
            Description = description,
            HelpName = "N",
            CustomParser = result => ParseNumber(result, name, min, max),
        };

    /// <summary>A whole number, or the word <c>auto</c>, which is the standard.</summary>
    public static Option<NumberOrAuto> NumberOrAuto(string name, string description, long min, long max) =>
        new(name)
        {
            Description = $"{description} ({min} to {max})",
            HelpName = "auto|N",
            CustomParser = result => result.Tokens[0].Value == "auto"
                ? default
                : new NumberOrAuto(ParseNumber(result, name, min, max, "auto, or ")),
        };

    /// <summary>A size in bytes (<see cref="ByteSize"/>); 0 when the option is absent.</summary>
    public static Option<long> SizeOption(string name, string description) =>
        new(name)
        {
            Description = description,
            HelpName = "SIZE",
            CustomParser = result => ParseSize(result, name),
        };

    /// <summary>
    /// A time such as 500ms, 30s or 2m, or a number of seconds, from <paramref name="min"/> to <paramref name="max"/>. With
    /// <paramref name="orNone"/> also 0, which stands for none.
    /// </summary>
    public static Option<Duration> Time(string name, string description, Duration min, Duration max, Duration standard, bool orNone = false) =>
        new(name)
        {
            Description = $"{description} ({min} to {max})",
            HelpName = "TIME",
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                if (!Duration.TryParseOrSeconds(text, out Duration time))
                {
                    result.AddError($"{name} '{text}' is not a time; use seconds, or a number with ms, s or m, such as {standard}");
                }
                else if ((time.Ns < min.Ns || time.Ns > max.Ns) && !(orNone && time.Ns == 0))
                {
                    result.AddError($"{name} {text} is impossible: use {(orNone ? "0, or " : "")}{min} to {max}");
                }

                return time;
            },
        };

    /// <summary>One word of <paramref name="choices"/>; the first is the standard one.</summary>
    public static Option<string> Choice(string name, string description, params string[] choices) =>
        new(name)
        {
            Description = description,
            HelpName = string.Join('|', choices),
            DefaultValueFactory = _ => choices[0],
            CustomParser = result =>
            {
                string word = result.Tokens[0].Value;
                if (!choices.Contains(word))
                {
                    result.AddError($"{name} '{word}' is not one of {string.Join(", ", choices)}");
                }

                return word;
            },
        };

    /// <summary>Text that is given to no parser, such as a path; null when the option is absent.</summary>
    public static Option<string?> Text(string name, string helpName, string description) =>
        new(name) { Description = description, HelpName = helpName };

    /// <summary>A switch: there or not.</summary>
    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    /// <summary>A size argument in bytes (<see cref="ByteSize"/>), above 0 and a multiple of <paramref name="unit"/>.</summary>
    public static Argument<long> Size(string name, string description, long unit) =>
        new(name)
        {
            Description = description,
            CustomParser = result =>
            {
                long bytes = ParseSize(result, name);
                if (!result.Errors.Any() && (bytes == 0 || bytes % unit != 0))
                {
                    result.AddError($"{name} {result.Tokens[0].Value} is impossible: use a multiple of {unit} bytes above 0");
                }

                return bytes;
            },
        };

    /// <summary>A path argument, not empty and without NUL.</summary>
    public static Argument<string> Path(string name, string description) =>
        new(name)
        {
            Description = description,
            CustomParser = result =>
            {
                string path = result.Tokens[0].Value;
                if (path.Length == 0 || path.Contains('\0'))
                {
                    result.AddError($"{name} is an empty path");
                }

                return path;
            },
        };

    private static long ParseSize(ArgumentResult result, string name)
    {
        if (!ByteSize.TryParse(result.Tokens[0].Value, out long bytes))
        {
            result.AddError($"{name} '{result.Tokens[0].Value}' is not a size; use bytes, or a number with K, M, G or T, such as 1.5G");
        }

        return bytes;
    }

    private static T ParseNumber<T>(ArgumentResult result, string name, T min, T max, string alternative = "")
        where T : struct, IBinaryInteger<T>
    {
        string text = result.Tokens[0].Value;
        if (!T.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out T value) || value < min || value > max)
        {
            result.AddError($"{name} {text} is impossible: use {alternative}a whole number from {min} to {max}");
        }

        return value;
    }
}

/// <summary>What <see cref="OptionFactory.NumberOrAuto"/> reads.</summary>
/// <param name="Number">Null for <c>auto</c>.</param>
public readonly record struct NumberOrAuto(long? Number);
