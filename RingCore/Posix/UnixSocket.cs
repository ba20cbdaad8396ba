using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>
/// One end of a connected UNIX stream socket, non-blocking and close-on-exec, which carries descriptors beside its bytes
/// (SCM_RIGHTS). Owns its descriptor. One thread at a time receives, and one sends.
/// </summary>
public sealed unsafe class UnixSocket : IDisposable
{
    /// <summary>The most descriptors that the kernel lets one message carry.</summary>
    public const int MaxDescriptors = Libc.SCM_MAX_FD;

    private const int StreamType = Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK;
    private const int ControlSize = 16 + (((MaxDescriptors * sizeof(int)) + 7) & ~7);

    /// <param name="descriptor">A connected stream socket; this object owns it and makes it non-blocking.</param>
    public UnixSocket(FileDescriptor descriptor)
    {
        Descriptor = descriptor;
        descriptor.SetNonBlocking(true);
    }

    /// <summary>The descriptor, to be watched; still owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>Connects to a listening socket.</summary>
    /// <exception cref="PosixException">
    /// ENOENT: no such path; ECONNREFUSED: nobody listens; EAGAIN: the listener's backlog is full.
    /// </exception>
    public static UnixSocket Connect(string path)
    {
        FileDescriptor fd = Create();
        try
        {
            // The address lives on this stack frame and its length bounds what the kernel reads.
            Span<byte> address = stackalloc byte[UnixListener.AddressSize];
            uint length = UnixListener.WriteAddress(path, address);
            fixed (byte* p = address)
            {
                Check(Libc.connect(fd.Number, p, length), $"connect {path}");
            }

            return new UnixSocket(fd);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>As <see cref="Connect(string)"/>, waiting up to <paramref name="patience"/> for a listener that is only just starting.</summary>
    public static UnixSocket Connect(string path, TimeSpan patience)
    {
        long deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (true)
        {
            try
            {
                return Connect(path);
            }
            catch (PosixException e) when (
                e.Errno is Errno.ENOENT or Errno.ECONNREFUSED && Environment.TickCount64 < deadline)
            {
                Thread.Sleep(5); // The listener makes its socket at some moment of its start; nothing tells when.
            }
        }
    }

    /// <summary>Two ends connected with each other.</summary>
    public static (UnixSocket First, UnixSocket Second) CreatePair()
    {
        // The kernel writes exactly two numbers.
        int* fds = stackalloc int[2];
        Check(Libc.socketpair(Libc.AF_UNIX, StreamType, 0, fds), "socketpair");
        return (new UnixSocket(new FileDescriptor(fds[0])), new UnixSocket(new FileDescriptor(fds[1])));
    }

    /// <summary>
    /// Sends bytes and, with the first of them, descriptors (at most <see cref="MaxDescriptors"/>). Returns the bytes taken,
    /// which may be fewer (the descriptors have then gone all the same), or a negative errno: -EAGAIN when nothing went,
    /// -EPIPE when the peer is gone. Never raises SIGPIPE.
    /// </summary>
    [SkipLocalsInit]
    public int Send(ReadOnlySpan<byte> data, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, MaxDescriptors);

        // The span's length bounds what the kernel reads; the control block has room for MaxDescriptors numbers.
        byte* control = stackalloc byte[ControlSize];
        fixed (byte* p = data)
        {
            IoVector vector = new(p, (nuint)data.Length);
            Libc.MessageHeader message = new() { Vectors = &vector, VectorCount = 1 };
            if (!descriptors.IsEmpty)
            {
                message.Control = control;
                message.ControlLength = WriteRights(control, descriptors);
            }

            nint n;
            do
            {
                n = Libc.sendmsg(Descriptor.Number, &message, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            }
            while (n < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
            return n < 0 ? -Marshal.GetLastPInvokeError() : (int)n;
        }
    }

    /// <summary>
    /// Receives bytes into <paramref name="buffer"/> and appends descriptors that came with them to
    /// <paramref name="descriptors"/>; the caller owns them. Without a list they are refused by the kernel. Descriptors end a
    /// read: they belong to the message that holds the last byte returned. Returns the number of bytes, 0 when the peer has
    /// closed, or a negative errno (-EAGAIN: nothing there).
    /// </summary>
    /// <param name="buffer">Not empty.</param>
    /// <param name="descriptors">Where to put descriptors, if they are wanted.</param>
    /// <param name="descriptorsLost">The kernel could not deliver all descriptors (the process has too many open).</param>
    [SkipLocalsInit]
    public int Receive(Span<byte> buffer, List<FileDescriptor>? descriptors, out bool descriptorsLost)
    {
        // The span's length bounds what the kernel writes, ControlSize the ancillary data.
        byte* control = stackalloc byte[ControlSize];
        fixed (byte* p = buffer)
        {
            IoVector vector = new(p, (nuint)buffer.Length);
            Libc.MessageHeader message;
            nint n;
            do
            {
                message = new() { Vectors = &vector, VectorCount = 1 };
                if (descriptors is not null)
                {
                    message.Control = control;
                    message.ControlLength = ControlSize;
                }

                n = Libc.recvmsg(Descriptor.Number, &message, Libc.MSG_DONTWAIT | Libc.MSG_CMSG_CLOEXEC);
            }
            while (n < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
            descriptorsLost = n >= 0 && (message.Flags & Libc.MSG_CTRUNC) != 0;
            if (n < 0)
            {
                return -Marshal.GetLastPInvokeError();
            }

            if (descriptors is not null && message.ControlLength != 0)
            {
                ReadRights(control, message.ControlLength, descriptors);
            }

            return (int)n;
        }
    }

    /// <summary>Says to the peer that nothing more will come; what it sends can still be received. A peer that has gone is no error.</summary>
    public void EndSending() => _ = Libc.shutdown(Descriptor.Number, Libc.SHUT_WR);

    /// <summary>
    /// Ends both directions, for both sides; the descriptor stays open. Any thread: whoever waits for the socket wakes.
    /// </summary>
    public void End() => _ = Libc.shutdown(Descriptor.Number, Libc.SHUT_RDWR);

    /// <summary>Closes the connection.</summary>
    public void Dispose() => Descriptor.Dispose();

    internal static FileDescriptor Create() =>
        FileDescriptor.FromResult(Libc.socket(Libc.AF_UNIX, StreamType, 0), "socket AF_UNIX");

    private static nuint WriteRights(byte* control, ReadOnlySpan<FileDescriptor> descriptors)
    {
        // ControlSize holds the header and MaxDescriptors numbers; the caller has checked the count.
        Libc.ControlHeader* header = (Libc.ControlHeader*)control;
        int length = 16 + (descriptors.Length * sizeof(int));
        header->Length = (nuint)length;
        header->Level = Libc.SOL_SOCKET;
        header->Type = Libc.SCM_RIGHTS;
        int* numbers = (int*)(control + 16);
        for (int i = 0; i < descriptors.Length; i++)
        {
            numbers[i] = descriptors[i].Number;
        }

        return (nuint)((length + 7) & ~7);
    }

    private static void ReadRights(byte* control, nuint total, List<FileDescriptor> descriptors)
    {
        // The kernel wrote `total` bytes of well-formed cmsghdrs; every step is checked against it all the same.
        nuint offset = 0;
        while (total - offset >= 16)
        {
            Libc.ControlHeader* header = (Libc.ControlHeader*)(control + offset);
            nuint length = header->Length;
            if (length < 16 || length > total - offset)
            {
                return;
            }

            if (header->Level == Libc.SOL_SOCKET && header->Type == Libc.SCM_RIGHTS)
            {
                int count = (int)((length - 16) / sizeof(int));
                int* numbers = (int*)(control + offset + 16);
                for (int i = 0; i < count; i++)
                {
                    descriptors.Add(new FileDescriptor(numbers[i]));
                }
            }

            nuint step = (length + 7) & ~(nuint)7;
            if (step > total - offset)
            {
                return;
            }

            offset += step;
        }
    }
}
