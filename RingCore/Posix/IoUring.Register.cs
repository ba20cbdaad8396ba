using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <content>io_uring_register(2).</content>
public sealed unsafe partial class IoUring
{
    private const uint RegisterBuffersOp = 0;
    private const uint UnregisterBuffersOp = 1;
    private const uint RegisterFilesOp = 2;
    private const uint UnregisterFilesOp = 3;
    private const uint RegisterEventFdOp = 4;
    private const uint UnregisterEventFdOp = 5;
    private const uint RegisterProbeOp = 8;
    private const uint RegisterEnableRingsOp = 12;
    private const int ProbeEntries = 256;
    private static readonly Lazy<int> SetupErrno = new(ProbeSetup);

    /// <summary>0 where this process may create rings, else the errno that says why not (probed once).</summary>
    public static int UnavailableErrno => SetupErrno.Value;

    /// <summary>Tells whether the kernel knows <paramref name="op"/> (IORING_REGISTER_PROBE).</summary>
    public bool Supports(IoUringOp op)
    {
        // struct io_uring_probe: a header of 16 bytes (last_op, ops_len), then 8 bytes an operation: op, reserved, u16 flags.
        byte* probe = stackalloc byte[16 + (ProbeEntries * 8)];
        new Span<byte>(probe, 16 + (ProbeEntries * 8)).Clear();
        Check(Libc.io_uring_register(_number, RegisterProbeOp, probe, ProbeEntries), "io_uring_register PROBE");

        // A byte's range keeps the index below ProbeEntries.
        return probe[1] > (byte)op && (probe[16 + ((int)op * 8) + 2] & 1) != 0;
    }

    /// <summary>Pins memory for <see cref="IoUringSqe.PrepareReadFixed"/>; vector <c>i</c> becomes buffer <c>i</c>, at most 16384.</summary>
    /// <exception cref="PosixException">ENOMEM above RLIMIT_MEMLOCK; EBUSY when buffers are registered.</exception>
    public void RegisterBuffers(ReadOnlySpan<IoVector> buffers)
    {
        // The span's length bounds what the kernel reads.
        fixed (IoVector* p = buffers)
        {
            Check(
                Libc.io_uring_register(_number, RegisterBuffersOp, p, (uint)buffers.Length),
                $"io_uring_register {buffers.Length} buffers");
        }
    }

    public void UnregisterBuffers() =>
        Check(Libc.io_uring_register(_number, UnregisterBuffersOp, null, 0), "io_uring_register UNREGISTER_BUFFERS");

    /// <summary>Makes descriptor <c>i</c> known as file <c>i</c> (<see cref="IoUringSqe.SetFixedFile"/>), which saves a look-up an entry.</summary>
    public void RegisterFiles(ReadOnlySpan<FileDescriptor> files)
    {
        int[] numbers = new int[files.Length];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = files[i].Number;
        }

        // The array's length bounds what the kernel reads.
        fixed (int* p = numbers)
        {
            Check(
                Libc.io_uring_register(_number, RegisterFilesOp, p, (uint)numbers.Length),
                $"io_uring_register {numbers.Length} files");
        }
    }

    public void UnregisterFiles() =>
        Check(Libc.io_uring_register(_number, UnregisterFilesOp, null, 0), "io_uring_register UNREGISTER_FILES");

    /// <summary>An eventfd that the kernel signals for every completion.</summary>
    public void RegisterEventFd(FileDescriptor eventFd)
    {
        int number = eventFd.Number;
        Check(Libc.io_uring_register(_number, RegisterEventFdOp, &number, 1), "io_uring_register EVENTFD");
    }

    public void UnregisterEventFd() =>
        Check(Libc.io_uring_register(_number, UnregisterEventFdOp, null, 0), "io_uring_register UNREGISTER_EVENTFD");

    /// <summary>
    /// Starts a ring that was created with <see cref="IoUringSetup.Disabled"/>. With <see cref="IoUringSetup.SingleIssuer"/>
    /// the calling thread becomes the one that may submit.
    /// </summary>
    public void Enable() =>
        Check(Libc.io_uring_register(_number, RegisterEnableRingsOp, null, 0), "io_uring_register ENABLE_RINGS");

    private static int ProbeSetup()
    {
        try
        {
            using IoUring ring = new(2);
            return 0;
        }
        catch (PosixException e)
        {
            return e.Errno;
        }
    }
}
