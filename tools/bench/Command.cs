using System.ComponentModel;
using System.Diagnostics;
using RingCore.Hosting;

namespace Bench;

/// <summary>Runs a program to its end.</summary>
internal static class Command
{
    /// <summary>Its exit code, and what it wrote.</summary>
    internal readonly record struct Outcome(int ExitCode, string Output, string Error)
    {
        /// <summary>What it complained about, in one line.</summary>
        public string Complaint => FirstLine(Error) ?? FirstLine(Output) ?? $"exit code {ExitCode}";
    }

    /// <exception cref="UserErrorException">It cannot be run, or does not end in time.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static Outcome Run(
        string program,
        IEnumerable<string> arguments,
        TimeSpan timeout,
        CancellationToken cancel = default,
        (string Name, string Value)? variable = null)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (variable is { } added)
        {
            start.Environment[added.Name] = added.Value;
        }

        using Process process = Start(start);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        Task<string> error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        end.CancelAfter(timeout);
        try
        {
            process.WaitForExitAsync(end.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancel.ThrowIfCancellationRequested();
            throw new UserErrorException($"{program} did not end in {timeout.TotalSeconds:0} s and was killed");
        }

        return new Outcome(process.ExitCode, output.Result, error.Result);
    }

    /// <summary>Starts it, with a sentence for when it is missing.</summary>
    public static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new UserErrorException($"{start.FileName} cannot be run: {e.Message}; install the package that holds it", e);
        }
    }

    /// <summary>Whether a program is on the PATH.</summary>
    public static bool IsInstalled(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Any(folder => File.Exists(Path.Combine(folder, name)));

    /// <summary>The first line that says something; null when there is none.</summary>
    public static string? FirstLine(string text) =>
        text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
}
