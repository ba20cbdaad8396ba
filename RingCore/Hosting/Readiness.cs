using RingCore.Posix;

namespace RingCore.Hosting;

/// <summary>
/// How a process started with <c>--detached</c> and its starter meet: the process leaves the terminal, says <c>ready</c>
/// on standard output once it serves, and lets go of both pipes; or it prints its one error line and ends.
/// </summary>
public static class Readiness
{
    /// <summary>The line on standard output that says "I serve".</summary>
    public const string Line = "ready";

    /// <summary>Call first in a process started with <c>--detached</c>: a session of its own, nothing to read.</summary>
    public static void LeaveTerminal()
    {
        ProcessControl.StartSession();
        ProcessControl.CloseStandardInput();
    }

    /// <summary>
    /// Says <c>ready</c>. When <paramref name="detached"/>, what is written to standard output or error afterwards (a crash
    /// of the runtime, say) goes to <paramref name="logFile"/>, or nowhere without one.
    /// </summary>
    public static void Announce(bool detached, string? logFile)
    {
        // A starter that is gone already reads nothing, which is no reason to stop serving.
        ProcessControl.WriteStandardOutput("ready\n"u8);
        if (detached)
        {
            ProcessControl.RedirectOutput(logFile ?? "/dev/null");
        }
    }
}
