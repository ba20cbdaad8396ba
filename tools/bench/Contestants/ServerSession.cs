using System.Diagnostics;
using Bench.Measuring;
using RingCore.Posix;

namespace Bench.Contestants;

/// <summary>
/// A server in the foreground of a session of its own, so that a Ctrl-C does not reach it before its mount is idle, and all its
/// processes can be found and ended. What it writes goes to a log.
/// </summary>
internal sealed class ServerSession : IDisposable
{
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(5);
    private readonly Process _leader;
    private readonly string _log;

    /// <summary>setsid replaces itself by the shell, since a child of ours leads no group: the pid is the session's id.</summary>
    /// <param name="command">For the shell.</param>
    /// <param name="log">Path of the log.</param>
    public ServerSession(string command, string log)
    {
        _log = log;
        _leader = Command.Start(new ProcessStartInfo("setsid", ["sh", "-c", $"exec >\"$0\" 2>&1 </dev/null\n{command}", log]));
    }

    public bool HasExited => _leader.HasExited;

    public int ExitCode => _leader.ExitCode;

    /// <summary>What it said first, for the end of a message.</summary>
    public string LastWords =>
        (File.Exists(_log) ? Command.FirstLine(File.ReadAllText(_log)) : null) is { } line ? $" (it says: {line})" : "";

    public IReadOnlyList<int> Processes() => ProcessTimes.OfSession(_leader.Id);

    /// <summary>Asks it to end; where it does not, does <paramref name="help"/> and waits once more, and then kills it.</summary>
    public void End(Action help)
    {
        Signal(ProcessHandle.SigTerm);
        if (!_leader.WaitForExit(EndTimeout))
        {
            help();
            if (!_leader.WaitForExit(EndTimeout))
            {
                Signal(ProcessHandle.SigKill);
                _leader.WaitForExit();
            }
        }
    }

    public void Dispose() => _leader.Dispose();

    /// <summary>To the whole group: a shell passes nothing on.</summary>
    private void Signal(int signal) => ProcessGroup.Signal(_leader.Id, signal);
}
