using System.Diagnostics;
using RingCore.Hosting;

namespace Vdisk.Processes;

/// <summary>Runs a short-lived program of the system, such as losetup, to its end.</summary>
internal static class SystemCommand
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(1);

    /// <summary>Its exit code, and what it wrote, trimmed.</summary>
    internal readonly record struct Outcome(int ExitCode, string Output, string Error)
    {
        /// <summary>What it complained about, in one line.</summary>
        public string Complaint
        {
            get
            {
                string text = Error.Length > 0 ? Error : Output;
                string[] lines = text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
                return lines.Length == 0 ? $"exit code {ExitCode}" : lines[0].TrimEnd('.');
            }
        }
    }

    /// <exception cref="UserErrorException">The program is not installed, or does not end in a minute.</exception>
    public static Outcome Run(string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin";
        start.Environment["LC_ALL"] = "C";
        using Process process = Start(start);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Timeout))
        {
            process.Kill();
            throw new UserErrorException($"{program} did not end in {Timeout.TotalSeconds:0} s and was ended; see the kernel log (dmesg)");
        }

        return new Outcome(process.ExitCode, output.Result.Trim(), error.Result.Trim());
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UserErrorException($"{start.FileName} cannot be run: {e.Message}; install the package that holds it", e);
        }
    }
}
