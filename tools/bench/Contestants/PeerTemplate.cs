using System.Text.RegularExpressions;
using RingCore.Hosting;

namespace Bench.Contestants;

/// <summary>
/// A peer's <c>NAME=COMMAND</c>. COMMAND is for the shell; these words stand for paths in it:
/// <c>{image}</c> the image; <c>{source}</c> a folder that holds only it, as <c>disk</c>; <c>{dir}</c> an empty folder;
/// <c>{file}</c> an empty file <c>disk</c> in that folder, for servers that mount over a file. The content has to appear as
/// <c>{dir}/disk</c>.
/// </summary>
internal sealed partial class PeerTemplate
{
    private const string FilePlaceholder = "{file}";
    private static readonly string[] Placeholders = ["{image}", "{source}", "{dir}", FilePlaceholder];

    private PeerTemplate(string name, string command)
    {
        Name = name;
        Command = command;
    }

    public string Name { get; }

    /// <summary>With its placeholders.</summary>
    public string Command { get; }

    /// <summary>The file that it mounts over must exist before.</summary>
    public bool NeedsFile => Command.Contains(FilePlaceholder, StringComparison.Ordinal);

    /// <summary>Reads <c>NAME=COMMAND</c>.</summary>
    /// <exception cref="UserErrorException">It is none, with what is wrong.</exception>
    public static PeerTemplate Parse(string text)
    {
        int at = text.IndexOf('=', StringComparison.Ordinal);
        string name = at < 0 ? "" : text[..at].Trim();
        string command = at < 0 ? "" : text[(at + 1)..].Trim();
        if (!IsName(name) || command.Length == 0)
        {
            throw Wrong($"--peer '{text}' is not NAME=COMMAND; NAME has letters, digits, and . _ - /");
        }

        string? unknown = AnyPlaceholder().Matches(command).Select(m => m.Value).FirstOrDefault(p => !Placeholders.Contains(p));
        if (unknown is not null)
        {
            throw Wrong($"--peer {name}: {unknown} is none of {string.Join(' ', Placeholders)}");
        }

        return command.Contains("{dir}", StringComparison.Ordinal) || command.Contains(FilePlaceholder, StringComparison.Ordinal)
            ? new PeerTemplate(name, command)
            : throw Wrong($"--peer {name}: the command names neither {{dir}} nor {{file}}, so it has nowhere to mount");
    }

    /// <summary>Whether a contestant may be called so.</summary>
    public static bool IsName(string name) => Name_().IsMatch(name);

    /// <summary>The command for the shell, with the folder's paths.</summary>
    public string For(ContestantFolder folder) => AnyPlaceholder().Replace(Command, match => match.Value switch
    {
        "{image}" => Quote(folder.Image),
        "{source}" => Quote(folder.Source),
        "{dir}" => Quote(folder.Mount),
        _ => Quote(folder.File),
    });

    /// <summary>One word for the shell, whatever is in it.</summary>
    public static string Quote(string path) =>
        Plain().IsMatch(path) ? path : $"'{path.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static UserErrorException Wrong(string message) => new(message, ExitCodes.Usage);

    [GeneratedRegex(@"(?<!\$)\{[a-z]+\}")]
    private static partial Regex AnyPlaceholder();

    [GeneratedRegex(@"\A[A-Za-z0-9/._+-]+\z")]
    private static partial Regex Plain();

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)?\z")]
    private static partial Regex Name_();
}
