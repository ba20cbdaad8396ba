using System.ComponentModel;
using System.Diagnostics;
using NUnit.Framework;

namespace FuseFront.Tests.Fuse;

/// <summary>Programs that a test runs beside itself: an application must not live in the process that serves its mount.</summary>
internal static class Tool
{
    internal static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Starts a program with all three streams piped; null when it is not installed.</summary>
    internal static Process? TryStart(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            return Process.Start(start);
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary>Starts a program, or passes the test over when it is not installed.</summary>
    internal static Process Start(string program, params string[] arguments)
    {
        Process? process = TryStart(program, arguments);
        Assume.That(process, Is.Not.Null, $"{program} is not installed");
        process!.StandardInput.Close();
        return process;
    }

    /// <summary>Runs a program to its end, which must be within <see cref="Limit"/>.</summary>
    internal static (int ExitCode, string Output, string Error) Run(string program, params string[] arguments)
    {
        using Process process = Start(program, arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        WaitForExit(process);
        return (process.ExitCode, output.Result, error.Result);
    }

    /// <summary>The output of a program that must end with exit code 0.</summary>
    internal static string Succeed(string program, params string[] arguments)
    {
        (int exitCode, string output, string error) = Run(program, arguments);
        Assert.That(exitCode, Is.Zero, $"{program} {string.Join(' ', arguments)}: {error}{output}");
        return output;
    }

    /// <summary>The error output of a program that must fail.</summary>
    internal static string Fail(string program, params string[] arguments)
    {
        (int exitCode, string output, string error) = Run(program, arguments);
        Assert.That(exitCode, Is.Not.Zero, $"{program} {string.Join(' ', arguments)}: {output}");
        return error;
    }

    internal static void WaitForExit(Process process)
    {
        if (!process.WaitForExit(Limit))
        {
            process.Kill();
            Assert.Fail($"{process.StartInfo.FileName} did not end within {Limit}");
        }
    }

    /// <summary>Waits until a condition holds; fails after <see cref="Limit"/>.</summary>
    internal static void WaitUntil(Func<bool> condition, string what)
    {
        if (!SpinWait.SpinUntil(condition, Limit))
        {
            Assert.Fail($"did not happen within {Limit}: {what}");
        }
    }
}
