using System.Text.Json;
using Spectre.Console;

namespace Vdisk.Commands;

/// <summary>How vdisk writes tables and JSON.</summary>
internal static class Screen
{
    private const int PipeWidth = 240;

    /// <summary>JSON for people and programs alike.</summary>
    public static JsonSerializerOptions Indented { get; } = new() { WriteIndented = true };

    /// <summary>Standard output; a pipe gets wide lines rather than broken ones.</summary>
    public static IAnsiConsole Create()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings());
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = PipeWidth;
        }

        return console;
    }
}
