using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>
/// One running process, held by a pidfd: a number that is given to another process meanwhile cannot mislead it. Owns the
/// descriptor.
/// </summary>
public sealed class ProcessHandle : IDisposable
{
    public const int SigKill = 9;
    public const int SigTerm = 15;
    private const int ESRCH = 3;
    private readonly FileDescriptor _pidfd;

    private ProcessHandle(FileDescriptor pidfd, int pid)
    {
        _pidfd = pidfd;
        Pid = pid;
    }

    public int Pid { get; }

    /// <summary>Takes hold of process <paramref name="pid"/>; null when there is none.</summary>
    /// <exception cref="PosixException">With the errno of pidfd_open(2).</exception>
    public static ProcessHandle? TryOpen(int pid)
    {
        nint fd = Libc.pidfdOpen(Libc.SYS_pidfd_open, pid, 0);
        if (fd < 0 && Marshal.GetLastPInvokeError() is ESRCH or Errno.EINVAL)
        {
            return null;
        }

        return new ProcessHandle(FileDescriptor.FromResult((int)fd, $"pidfd_open {pid}"), pid);
    }

    /// <summary>Sends a signal. False when the process has ended.</summary>
    /// <exception cref="PosixException">With the errno of pidfd_send_signal(2), such as EPERM.</exception>
    public bool Signal(int signal)
    {
        if (Libc.pidfdSendSignal(Libc.SYS_pidfd_send_signal, _pidfd.Number, signal, 0, 0) == 0)
        {
            return true;
        }

        if (Marshal.GetLastPInvokeError() != ESRCH)
        {
            ThrowLast($"signal {signal} to process {Pid}");
        }

        return false;
    }

    /// <summary>Waits until the process has ended, zombies included. False when it still runs after <paramref name="timeout"/>.</summary>
    public bool WaitForExit(TimeSpan timeout) => _pidfd.WaitReadable(timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero);

    /// <summary>Closes the pidfd; the process goes on.</summary>
    public void Dispose() => _pidfd.Dispose();
}
