using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>
/// Owns one open file descriptor and closes it once. Thread safe as every <see cref="SafeHandle"/>.
/// All descriptors of this project are opened close-on-exec.
/// </summary>
public sealed class FileDescriptor : SafeHandle
{
    /// <summary>Creates an invalid handle, for the marshaller.</summary>
    public FileDescriptor()
        : base(-1, ownsHandle: true)
    {
    }

    /// <param name="fd">An open descriptor; this object closes it.</param>
    public FileDescriptor(int fd)
        : base(-1, ownsHandle: true) => SetHandle(fd);

    /// <inheritdoc/>
    public override bool IsInvalid => (int)handle < 0;

    /// <summary>
    /// The descriptor's number, for calls inside <c>RingCore.Posix</c> and for log lines. The caller keeps this object
    /// alive and undisposed while the number is in use.
    /// </summary>
    public int Number
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return (int)handle;
        }
    }

    /// <summary>Takes ownership of the result of a call that returns a descriptor, or throws what it reported.</summary>
    public static FileDescriptor FromResult(int result, string call) => new(Check(result, call));

    /// <summary>Opens <paramref name="path"/> with O_CLOEXEC added to <paramref name="flags"/>.</summary>
    /// <exception cref="PosixException">With the errno of open(2).</exception>
    public static FileDescriptor Open(string path, OpenFlags flags, int mode = 0)
    {
        int fd;
        do
        {
            fd = Libc.open(path, (int)(flags | OpenFlags.CloseOnExec), mode);
        }
        while (fd < 0 && Marshal.GetLastPInvokeError() == Posix.Errno.EINTR);
        return FromResult(fd, $"open {path}");
    }

    /// <summary>A second descriptor of the same open file description (fcntl F_DUPFD_CLOEXEC).</summary>
    public FileDescriptor Duplicate() => FromResult(Libc.fcntl(Number, Libc.F_DUPFD_CLOEXEC, 0), "fcntl F_DUPFD_CLOEXEC");

    /// <summary>Adds or removes O_NONBLOCK.</summary>
    public void SetNonBlocking(bool on)
    {
        int flags = Check(Libc.fcntl(Number, Libc.F_GETFL, 0), "fcntl F_GETFL");
        int wanted = on ? flags | (int)OpenFlags.NonBlocking : flags & ~(int)OpenFlags.NonBlocking;
        Check(Libc.fcntl(Number, Libc.F_SETFL, wanted), "fcntl F_SETFL");
    }

    /// <summary>read(2), restarted on EINTR. Returns the bytes read (0 at the end), or a negative errno.</summary>
    public unsafe int Read(Span<byte> buffer)
    {
        // The span's length bounds what the kernel writes.
        fixed (byte* p = buffer)
        {
            nint n;
            do
            {
                n = Libc.read(Number, p, (nuint)buffer.Length);
            }
            while (n < 0 && Marshal.GetLastPInvokeError() == Posix.Errno.EINTR);
            return n < 0 ? -Marshal.GetLastPInvokeError() : (int)n;
        }
    }

    /// <summary>write(2), restarted on EINTR. Returns the bytes written, or a negative errno.</summary>
    public unsafe int Write(ReadOnlySpan<byte> buffer)
    {
        // The span's length bounds what the kernel reads.
        fixed (byte* p = buffer)
        {
            nint n;
            do
            {
                n = Libc.write(Number, p, (nuint)buffer.Length);
            }
            while (n < 0 && Marshal.GetLastPInvokeError() == Posix.Errno.EINTR);
            return n < 0 ? -Marshal.GetLastPInvokeError() : (int)n;
        }
    }

    /// <summary>Waits until one of <paramref name="events"/>, an error or an end; false after the time (poll(2), restarted on EINTR).</summary>
    /// <param name="events">What to wait for.</param>
    /// <param name="timeoutMs">Milliseconds; 0 only looks, -1 waits for ever.</param>
    public unsafe bool Wait(PollEvents events, int timeoutMs)
    {
        Libc.PollEntry entry = new() { Fd = Number, Events = (short)events };
        long deadline = Environment.TickCount64 + timeoutMs;
        int left = timeoutMs;
        while (true)
        {
            // One entry, one count.
            int n = Libc.poll(&entry, 1, left);
            if (n >= 0)
            {
                return n > 0;
            }

            if (Marshal.GetLastPInvokeError() != Posix.Errno.EINTR)
            {
                ThrowLast("poll");
            }

            left = timeoutMs < 0 ? -1 : (int)Math.Max(0, deadline - Environment.TickCount64);
        }
    }

    /// <summary>As <see cref="Wait"/>, until the descriptor is readable.</summary>
    /// <param name="timeout">Not negative; rounded down to milliseconds, 24 days at most.</param>
    public bool WaitReadable(TimeSpan timeout) =>
        Wait(PollEvents.In, (int)Math.Min(timeout.TotalMilliseconds, int.MaxValue));

    /// <summary>A write would find room now; does not wait.</summary>
    public bool IsWritable() => Wait(PollEvents.Out, 0);

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.close((int)handle) == 0;
}
