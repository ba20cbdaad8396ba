using System.Collections;
using System.Runtime.InteropServices;
using System.Text;

namespace RingCore.Posix;

/// <summary>
/// Runs a short program that is handed open descriptors, which <see cref="System.Diagnostics.Process"/> cannot do, and waits
/// for its end. Its standard input and output are ours.
/// </summary>
public static unsafe class ChildProcess
{
    private const int StandardError = 2;
    private const int NoSuchChild = 10;

    /// <summary>
    /// Runs to the end. Returns the exit code (128 + signal when killed; 0 when the process ignores SIGCHLD) and what it
    /// wrote to standard error.
    /// </summary>
    /// <param name="program">Name, looked for in PATH.</param>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="variable">An environment variable to add, if any.</param>
    /// <param name="inherited">A descriptor that stays open in the child under the same number, if any.</param>
    /// <exception cref="PosixException">ENOENT: no such program.</exception>
    public static (int ExitCode, string Error) Run(
        string program, IReadOnlyList<string> arguments,
        (string Name, string Value)? variable = null, FileDescriptor? inherited = null)
    {
        (FileDescriptor read, FileDescriptor write) = CreatePipe();
        using FileDescriptor readEnd = read;
        int pid;
        using (write)
        {
            pid = Spawn(program, [program, .. arguments], Environment(variable), write, inherited);
        }

        string error = ReadToEnd(readEnd);
        return (Wait(pid), error);
    }

    private static (FileDescriptor Read, FileDescriptor Write) CreatePipe()
    {
        // The kernel writes exactly two numbers.
        int* ends = stackalloc int[2];
        PosixException.Check(Libc.pipe2(ends, (int)OpenFlags.CloseOnExec), "pipe2");
        return (new FileDescriptor(ends[0]), new FileDescriptor(ends[1]));
    }

    private static List<string> Environment((string Name, string Value)? variable)
    {
        List<string> environment = [];
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            if ((string)entry.Key != variable?.Name)
            {
                environment.Add($"{entry.Key}={entry.Value}");
            }
        }

        if (variable is { } added)
        {
            environment.Add($"{added.Name}={added.Value}");
        }

        return environment;
    }

    private static int Spawn(
        string program, List<string> arguments, List<string> environment, FileDescriptor standardError, FileDescriptor? inherited)
    {
        // The C library writes its action list into the block, which is larger than any of its layouts.
        byte* actions = stackalloc byte[Libc.SpawnFileActionsSize];
        byte** argv = SpawnStrings.Allocate(arguments);
        byte** envp = SpawnStrings.Allocate(environment);
        Check(Libc.posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
        try
        {
            Check(Libc.posix_spawn_file_actions_adddup2(actions, standardError.Number, StandardError), "posix_spawn adddup2");
            if (inherited != null)
            {
                // Onto itself: that only clears close-on-exec, in the child.
                Check(Libc.posix_spawn_file_actions_adddup2(actions, inherited.Number, inherited.Number), "posix_spawn adddup2");
            }

            int pid;
            Check(Libc.posix_spawnp(&pid, program, actions, null, argv, envp), program);
            return pid;
        }
        finally
        {
            _ = Libc.posix_spawn_file_actions_destroy(actions);
            SpawnStrings.Free(argv);
            SpawnStrings.Free(envp);
        }
    }

    private static string ReadToEnd(FileDescriptor pipe)
    {
        byte[] chunk = new byte[512];
        StringBuilder text = new();
        int n;
        while ((n = pipe.Read(chunk)) > 0)
        {
            text.Append(Encoding.UTF8.GetString(chunk, 0, n));
        }

        return text.ToString().Trim();
    }

    private static int Wait(int pid)
    {
        // One status word.
        int status;
        while (Libc.waitpid(pid, &status, 0) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno == NoSuchChild)
            {
                // SIGCHLD is ignored in this process, so the kernel keeps no exit code: the caller judges by the effect.
                return 0;
            }

            if (errno != Errno.EINTR)
            {
                throw new PosixException(errno, $"waitpid {pid}");
            }
        }

        int signal = status & 0x7F;
        return signal != 0 ? 128 + signal : (status >> 8) & 0xFF;
    }

    private static void Check(int errno, string call)
    {
        if (errno != 0)
        {
            throw new PosixException(errno, call);
        }
    }
}
