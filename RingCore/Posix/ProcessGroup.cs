using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>Signals to all processes of a group.</summary>
public static class ProcessGroup
{
    private const int NoSuchProcess = 3;

    /// <summary>kill(-group, signal). False when the group has no process any more.</summary>
    /// <param name="group">Id of a group, above 1.</param>
    /// <param name="signal">For instance <see cref="ProcessHandle.SigTerm"/>.</param>
    /// <exception cref="PosixException">With the errno of kill(2).</exception>
    public static bool Signal(int group, int signal)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(group, 1); // -1 and 0 mean other processes altogether
        if (Libc.signalProcesses(-group, signal) == 0)
        {
            return true;
        }

        if (Marshal.GetLastPInvokeError() != NoSuchProcess)
        {
            PosixException.ThrowLast($"signal {signal} to process group {group}");
        }

        return false;
    }
}
