using System.Runtime.InteropServices;
using System.Text;

namespace RingCore.Posix;

/// <summary>How a <see cref="BoundedChild"/> ended.</summary>
/// <param name="ExitCode">128 + signal when killed.</param>
/// <param name="TimedOut">It was killed because its time was over.</param>
public readonly record struct ChildEnd(int ExitCode, bool TimedOut);

/// <summary>
/// Runs a command again and again, fast: its arguments and environment are laid out once, and each run differs by a few
/// variables. The command is the leader of a process group of its own, which is killed as a whole when it ends, or its
/// time is over. Its standard input is empty; both outputs go to a file. One thread.
/// </summary>
public sealed unsafe class BoundedChild : IDisposable
{
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(200);
    private readonly string _program;
    private readonly string _output;
    private readonly byte** _arguments;
    private readonly string[] _environment;

    /// <param name="program">Path of the program.</param>
    /// <param name="arguments">With the program's name.</param>
    /// <param name="output">File that each run's output replaces.</param>
    public BoundedChild(string program, IReadOnlyList<string> arguments, string output)
    {
        _program = program;
        _output = output;
        _arguments = SpawnStrings.Allocate(arguments);
        _environment = [.. Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().Select(e => $"{e.Key}={e.Value}")];
    }

    /// <summary>Runs it to its end.</summary>
    /// <param name="variables">Added to the environment, or in place of what is there.</param>
    /// <param name="directory">Where it runs; null: where this process does.</param>
    /// <param name="timeout">Then it is killed.</param>
    /// <param name="cancel">As well.</param>
    /// <exception cref="PosixException">It cannot be started.</exception>
    public ChildEnd Run(
        IReadOnlyList<(string Name, string Value)> variables, string? directory, TimeSpan timeout, CancellationToken cancel)
    {
        int pid = Spawn(variables, directory);
        bool isOver;
        using (ProcessHandle process = ProcessHandle.TryOpen(pid) ?? throw new PosixException(Errno.ENOENT, $"pidfd of {_program}"))
        {
            isOver = !WaitFor(process, timeout, cancel);
        }

        // The group is the child's own, and it is not reaped yet: the number means nobody else. What it left behind goes too.
        _ = Libc.signalGroup(-pid, ProcessHandle.SigKill);
        int code = Reap(pid);
        cancel.ThrowIfCancellationRequested();
        return new ChildEnd(code, isOver);
    }

    /// <summary>The beginning of what the last run wrote.</summary>
    public string Output(int most)
    {
        using FileStream file = new(_output, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[Math.Min(most, file.Length)];
        int n = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        string text = Encoding.UTF8.GetString(bytes, 0, n).Trim();
        return file.Length > most ? text + " …" : text;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        SpawnStrings.Free(_arguments);
        File.Delete(_output);
    }

    private static bool WaitFor(ProcessHandle process, TimeSpan timeout, CancellationToken cancel)
    {
        long end = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        while (!cancel.IsCancellationRequested)
        {
            long left = end - Environment.TickCount64;
            if (process.WaitForExit(TimeSpan.FromMilliseconds(Math.Clamp(left, 0, Slice.TotalMilliseconds))))
            {
                return true;
            }

            if (left <= 0)
            {
                return false;
            }
        }

        return false;
    }

    private int Spawn(IReadOnlyList<(string Name, string Value)> variables, string? directory)
    {
        // Both are larger than any C library's layout of them; a sigset_t has 128 bytes.
        byte* actions = stackalloc byte[Libc.SpawnFileActionsSize];
        byte* attributes = stackalloc byte[Libc.SpawnAttributesSize];
        byte* allSignals = stackalloc byte[128];
        byte* noSignals = stackalloc byte[128];
        new Span<byte>(allSignals, 128).Fill(0xFF);
        new Span<byte>(noSignals, 128).Clear();
        byte** environment = SpawnStrings.Allocate([
            .. _environment.Where(e => !variables.Any(v => e.StartsWith(v.Name + "=", StringComparison.Ordinal))),
            .. variables.Select(v => $"{v.Name}={v.Value}")]);
        Check(Libc.posix_spawn_file_actions_init(actions));
        Check(Libc.posix_spawnattr_init(attributes));
        try
        {
            const int create = (int)(OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Truncate);
            Check(Libc.posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0, 0));
            Check(Libc.posix_spawn_file_actions_addopen(actions, 1, _output, create, 0b110_000_000));
            Check(Libc.posix_spawn_file_actions_adddup2(actions, 1, 2));
            if (directory is not null)
            {
                Check(Libc.posix_spawn_file_actions_addchdir_np(actions, directory));
            }

            // The runtime ignores SIGPIPE; the command shall not.
            Check(Libc.posix_spawnattr_setflags(
                attributes, Libc.POSIX_SPAWN_SETPGROUP | Libc.POSIX_SPAWN_SETSIGDEF | Libc.POSIX_SPAWN_SETSIGMASK));
            Check(Libc.posix_spawnattr_setpgroup(attributes, 0));
            Check(Libc.posix_spawnattr_setsigdefault(attributes, allSignals));
            Check(Libc.posix_spawnattr_setsigmask(attributes, noSignals));
            int pid;
            Check(Libc.posix_spawnp(&pid, _program, actions, attributes, _arguments, environment));
            return pid;
        }
        finally
        {
            _ = Libc.posix_spawnattr_destroy(attributes);
            _ = Libc.posix_spawn_file_actions_destroy(actions);
            SpawnStrings.Free(environment);
        }
    }

    private static int Reap(int pid)
    {
        // One status word.
        int status;
        while (Libc.waitpid(pid, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                PosixException.ThrowLast($"waitpid {pid}");
            }
        }

        int signal = status & 0x7F;
        return signal != 0 ? 128 + signal : (status >> 8) & 0xFF;
    }

    private void Check(int errno)
    {
        if (errno != 0)
        {
            throw new PosixException(errno, _program);
        }
    }
}
