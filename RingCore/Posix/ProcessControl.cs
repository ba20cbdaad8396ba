using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>What a process does to itself: its session, its standard descriptors, its end.</summary>
public static class ProcessControl
{
    private const int StdIn = 0;
    private const int StdOut = 1;
    private const int StdErr = 2;

    /// <summary>
    /// Leaves the terminal: setsid(2), so that its Ctrl-C and hang-up do not reach this process. One that leads its group
    /// already (EPERM) has nothing to leave.
    /// </summary>
    public static void StartSession()
    {
        if (Libc.newSession() < 0 && System.Runtime.InteropServices.Marshal.GetLastPInvokeError() != Errno.EPERM)
        {
            ThrowLast("setsid");
        }
    }

    /// <summary>Makes standard input read nothing.</summary>
    public static void CloseStandardInput() => Replace("/dev/null", OpenFlags.ReadOnly, StdIn);

    /// <summary>Sends what is written to standard output and error from now on to the end of <paramref name="path"/>.</summary>
    public static void RedirectOutput(string path) =>
        Replace(path, OpenFlags.WriteOnly | OpenFlags.Append | OpenFlags.Create, StdOut, StdErr);

    /// <summary>
    /// Writes to standard output without the console's buffers and encodings. False when nobody reads there (EPIPE).
    /// </summary>
    public static bool WriteStandardOutput(ReadOnlySpan<byte> bytes)
    {
        using var output = new FileDescriptor(Check(Libc.fcntl(StdOut, Libc.F_DUPFD_CLOEXEC, 0), "fcntl F_DUPFD_CLOEXEC"));
        int written = output.Write(bytes);
        return written switch
        {
            -Errno.EPIPE => false,
            < 0 => throw new PosixException(-written, "write standard output"),
            _ => true,
        };
    }

    /// <summary>_exit(2): no handler, finaliser or buffer of this process gets its turn.</summary>
    public static void ExitNow(int code) => Libc.exitNow(code);

    private static void Replace(string path, OpenFlags flags, params ReadOnlySpan<int> descriptors)
    {
        using FileDescriptor file = FileDescriptor.Open(path, flags, 0b110_000_000);
        foreach (int descriptor in descriptors)
        {
            Check(Libc.replaceDescriptor(file.Number, descriptor), $"dup2 {path}");
        }
    }
}
