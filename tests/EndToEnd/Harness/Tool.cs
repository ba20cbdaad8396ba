using System.Diagnostics;

namespace EndToEnd.Harness;

/// <summary>
/// A program under way, with its output collected. Every wait for it is bounded; one that does not end in time is killed
/// and fails the test.
/// </summary>
public sealed class Tool : IDisposable
{
    /// <summary>Generous: a loaded machine with two CPUs may take this long for what is normally done in a second.</summary>
    public static readonly TimeSpan StandardTimeout = TimeSpan.FromSeconds(60);

    private static readonly string[] AdminFolders = ["/usr/sbin", "/sbin"];
    private readonly Process _process;
    private readonly string _commandLine;
    private readonly Task<string> _output;
    private readonly Task<string> _error;

    private Tool(Process process, string commandLine)
    {
        _process = process;
        _commandLine = commandLine;
        process.StandardInput.Close();
        _output = process.StandardOutput.ReadToEndAsync();
        _error = process.StandardError.ReadToEndAsync();
    }

    public int Pid => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Runs a program of the system to its end.</summary>
    public static RunResult Run(string program, params string[] arguments) => Run(StandardTimeout, program, arguments);

    /// <inheritdoc cref="Run(string, string[])"/>
    public static RunResult Run(TimeSpan timeout, string program, params string[] arguments)
    {
        using Tool tool = Start(program, arguments, new Dictionary<string, string>());
        return tool.WaitForExit(timeout);
    }

    /// <summary>Starts a program with more in its environment.</summary>
    public static Tool Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        string path = Find(program);
        var start = new ProcessStartInfo(path, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        start.Environment["LC_ALL"] = "C";
        start.Environment["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:{string.Join(':', AdminFolders)}";
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return new Tool(Process.Start(start)!, $"{path} {string.Join(' ', start.ArgumentList)}");
    }

    /// <summary>The full path of a program; a missing one fails the test, since scripts/test installs what it needs.</summary>
    public static string Find(string program)
    {
        if (Path.IsPathRooted(program))
        {
            return program;
        }

        string[] folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'), .. AdminFolders];
        return folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists)
            ?? throw new AssertionException($"{program} is not installed; scripts/test installs what the tests need");
    }

    /// <summary>Waits for the end.</summary>
    public RunResult WaitForExit(TimeSpan timeout)
    {
        if (!_process.WaitForExit(timeout))
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit(TimeSpan.FromSeconds(5));
            throw new AssertionException(
                $"{_commandLine}\ndid not end in {timeout.TotalSeconds:0} s\n{Collected(_output)}{Collected(_error)}");
        }

        // Whoever inherited the pipes may keep them open: what came by then must do.
        return new RunResult(_commandLine, _process.ExitCode, Collected(_output), Collected(_error));
    }

    /// <summary>Sends a signal.</summary>
    public void Signal(int signal) => LiveProcess.Signal(Pid, signal);

    /// <summary>Kills it if it still runs.</summary>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit(TimeSpan.FromSeconds(5));
        }

        // Readers that were asked for are ours to close, or they stay open until a collection comes.
        _process.StandardOutput.Dispose();
        _process.StandardError.Dispose();
        _process.Dispose();
    }

    private static string Collected(Task<string> text) => text.Wait(TimeSpan.FromSeconds(5)) ? text.Result : "(output still open)\n";
}
