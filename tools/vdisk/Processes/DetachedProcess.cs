using System.Diagnostics;
using RingCore.Hosting;

namespace Vdisk.Processes;

/// <summary>One of the two halves, started by this command with <c>--detached</c>. Used by one thread.</summary>
internal sealed class DetachedProcess : IDisposable
{
    private static readonly TimeSpan LastWordsTimeout = TimeSpan.FromSeconds(2);
    private readonly Process _process;
    private readonly string _name;
    private readonly Task<string> _error;

    private DetachedProcess(string name, Process process)
    {
        _name = name;
        _process = process;
        Identity = ProcessIdentity.Of(process.Id);
        _error = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Null when it ended before it could be looked at.</summary>
    public ProcessIdentity? Identity { get; }

    /// <summary>Starts <paramref name="name"/> (<see cref="Programs.Find"/>).</summary>
    public static DetachedProcess Start(string name, IEnumerable<string> arguments)
    {
        // All three are pipes, so that neither the terminal nor whoever reads our output is kept busy by the child.
        var start = new ProcessStartInfo(Programs.Find(name), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            Process process = Process.Start(start)!;
            process.StandardInput.Close();
            return new DetachedProcess(name, process);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UserErrorException($"{start.FileName} cannot be run: {e.Message}; run scripts/build", e);
        }
    }

    /// <summary>Waits for the child's <c>ready</c>.</summary>
    /// <exception cref="UserErrorException">With the child's own line, when it ended.</exception>
    /// <exception cref="SilentFailureException">It ended without one, or was not ready in time.</exception>
    /// <exception cref="OperationCanceledException"/>
    public void WaitUntilReady(Deadline deadline, CancellationToken cancel)
    {
        Task<bool> ready = SaysReady(cancel);
        if (!WaitFor(ready, deadline, cancel))
        {
            throw new SilentFailureException($"{_name} was not ready in {deadline.Total.TotalSeconds:0} s");
        }

        if (!ready.Result)
        {
            throw Failure();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _process.Dispose();

    /// <summary>Reads up to the line that says so; false at the end of the output.</summary>
    private async Task<bool> SaysReady(CancellationToken cancel)
    {
        while (await _process.StandardOutput.ReadLineAsync(cancel).ConfigureAwait(false) is { } line)
        {
            if (line == Readiness.Line)
            {
                return true;
            }
        }

        return false;
    }

    private static bool WaitFor(Task task, Deadline deadline, CancellationToken cancel)
    {
        try
        {
            return task.Wait(deadline.LeftMs, cancel);
        }
        catch (AggregateException e) when (e.InnerException is OperationCanceledException)
        {
            throw new OperationCanceledException(cancel);
        }
    }

    /// <summary>The child closed its output without being ready: it has ended or is about to.</summary>
    private UserErrorException Failure()
    {
        bool ended = _process.WaitForExit(LastWordsTimeout);
        string error = _error.Wait(LastWordsTimeout) ? _error.Result : "";
        string? line = error.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        string prefix = $"{_name}: ";
        if (line is not null && line.StartsWith(prefix, StringComparison.Ordinal))
        {
            // Its own sentence, as it stands: it already says what to do.
            return new UserErrorException(line[prefix.Length..], ended && _process.ExitCode == ExitCodes.Usage ? ExitCodes.Usage : ExitCodes.Failure);
        }

        string how = ended ? $"ended with code {_process.ExitCode}" : "gave up";
        return new SilentFailureException($"{_name} {how} before it was ready{(line is null ? "" : $" ({line})")}");
    }
}
