using System.Globalization;

namespace RingCore.Hosting;

/// <summary>Collects a program's arguments. An option and its text travel as one word, so that no text is taken for an option.</summary>
internal sealed class ArgumentLine
{
    private readonly List<string> _arguments = [];

    public IReadOnlyList<string> Arguments => _arguments;

    /// <summary>Adds <c>name=value</c>; nothing when there is no value.</summary>
    public ArgumentLine Add(string name, string? value) => AddIf(value is not null, $"{name}={value}");

    /// <inheritdoc cref="Add(string, string?)"/>
    public ArgumentLine Add(string name, long value) => Add(name, value.ToString(CultureInfo.InvariantCulture));

    public ArgumentLine AddIf(bool condition, string word)
    {
        if (condition)
        {
            _arguments.Add(word);
        }

        return this;
    }
}
