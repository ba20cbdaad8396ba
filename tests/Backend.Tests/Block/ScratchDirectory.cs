using System.Diagnostics;
using NUnit.Framework;

namespace Backend.Tests.Block;

/// <summary>A directory of a test's own, optionally with a file system mounted on it; gone with everything in it when disposed.</summary>
internal sealed class ScratchDirectory : IDisposable
{
    private readonly string _root;
    private bool _mounted;

    /// <param name="parent">/tmp (a disk file system) or /dev/shm (tmpfs).</param>
    internal ScratchDirectory(string parent = "/tmp")
    {
        _root = System.IO.Path.Combine(parent, $"rawimage-{Environment.ProcessId}-{Guid.NewGuid():N}");
        Path = System.IO.Path.Combine(_root, "dir");
        Directory.CreateDirectory(Path);
    }

    internal string Path { get; }

    internal string File(string name, long length)
    {
        string path = System.IO.Path.Combine(Path, name);
        using FileStream file = System.IO.File.Create(path);
        file.SetLength(length);
        return path;
    }

    /// <summary>A file in the directory around the mount point.</summary>
    internal string OuterFile(string name, long length)
    {
        string path = System.IO.Path.Combine(_root, name);
        using FileStream file = System.IO.File.Create(path);
        file.SetLength(length);
        return path;
    }

    /// <summary>Mounts on the directory; ignores the test where that is not allowed.</summary>
    internal void Mount(string arguments)
    {
        (int code, string output) = Run("mount", $"{arguments} {Path}");
        if (code != 0)
        {
            Assert.Ignore($"cannot mount here: {output}");
        }

        _mounted = true;
    }

    public void Dispose()
    {
        if (_mounted)
        {
            Run("umount", Path);
        }

        Directory.Delete(_root, recursive: true);
    }

    /// <summary>Runs a program to its end; its exit code and everything that it printed. Ignores the test where there is none.</summary>
    internal static (int Code, string Output) Run(string program, string arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            output += error.Result;
            process.WaitForExit();
            return (process.ExitCode, output.Trim());
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore($"{program} is not installed");
            throw;
        }
    }
}
