using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <content>io_uring_register(2).</content>
public sealed unsafe partial class IoUring
{
    private const uint UnregisterBuffersOp = 1;
    private const uint RegisterFilesOp = 2;
    private const uint UnregisterFilesOp = 3;
    private const uint RegisterEventFdOp = 4;
    private const uint UnregisterEventFdOp = 5;
    private const uint RegisterProbeOp = 8;
    private const uint RegisterEnableRingsOp = 12;
    private const uint RegisterBuffers2Op = 15;
    private const uint RegisterBuffersUpdateOp = 16;
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

    /// <summary>A table of <paramref name="count"/> buffers, at most 16384, that <see cref="RegisterBuffer"/> fills in.</summary>
    /// <exception cref="PosixException">EINVAL before Linux 5.19; EBUSY when buffers are registered.</exception>
    public void RegisterBufferTable(uint count)
    {
        IoUringResourceTable table = new() { Count = count, Flags = IoUringResourceTable.Sparse };
        Check(
            Libc.io_uring_register(_number, RegisterBuffers2Op, &table, (uint)sizeof(IoUringResourceTable)),
            $"io_uring_register a table of {count} buffers");
    }

    /// <summary>Pins memory as buffer <paramref name="index"/> of the table, for <see cref="IoUringSqe.PrepareReadFixed"/>.</summary>
    /// <returns>0 or a negative errno: ENOMEM above RLIMIT_MEMLOCK; EFAULT or EOPNOTSUPP for memory that cannot be pinned.</returns>
    public int RegisterBuffer(uint index, IoVector buffer)
    {
        // Both live on this frame until the call returns; the kernel keeps the pages of the buffer, and no pointer.
        IoUringResourceUpdate update = new() { Offset = index, Data = &buffer, Count = 1 };
        int n = Libc.io_uring_register(_number, RegisterBuffersUpdateOp, &update, (uint)sizeof(IoUringResourceUpdate));
        return n < 0 ? -Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Unpins all buffers and drops their table: 0 or a negative errno. Before Linux 6.13 it waits for operations that use them.</summary>
    public int UnregisterBuffers() => Unregister(UnregisterBuffersOp);

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

    /// <summary>Lets go of all registered files: 0 or a negative errno. As <see cref="UnregisterBuffers"/>.</summary>
    public int UnregisterFiles() => Unregister(UnregisterFilesOp);

    /// <summary>
    /// An eventfd that the kernel signals for completions, also those that the ring shows only after
    /// <see cref="SubmitAndWait"/>; one signal may be for several. While <see cref="SignalsEventFd"/>.
    /// </summary>
    public void RegisterEventFd(FileDescriptor eventFd)
    {
        int number = eventFd.Number;
        Check(Libc.io_uring_register(_number, RegisterEventFdOp, &number, 1), "io_uring_register EVENTFD");
    }

    /// <summary>
    /// Whether completions signal the registered eventfd (IORING_CQ_EVENTFD_DISABLED). Whoever turns it on again looks next at
    /// <see cref="Completions"/> and <see cref="HasKernelWork"/>: those of before were not signalled. Sure to find them all only
    /// with <see cref="IoUringSetup.DeferTaskRun"/>, on x86, where the kernel orders its own accesses to these words.
    /// </summary>
    public bool SignalsEventFd
    {
        get => (*_cqFlags & CqEventFdDisabled) == 0;
        set
        {
            Volatile.Write(ref *_cqFlags, value ? 0 : CqEventFdDisabled); // the kernel only reads this word
            Interlocked.MemoryBarrier(); // pairs with the locked instruction by which the kernel sets SqTaskRun before it looks here
        }
    }

    public void UnregisterEventFd() =>
        Check(Libc.io_uring_register(_number, UnregisterEventFdOp, null, 0), "io_uring_register UNREGISTER_EVENTFD");

    /// <summary>
    /// Starts a ring that was created with <see cref="IoUringSetup.Disabled"/>. With <see cref="IoUringSetup.SingleIssuer"/>
    /// the calling thread becomes the one that may submit.
    /// </summary>
    public void Enable() =>
        Check(Libc.io_uring_register(_number, RegisterEnableRingsOp, null, 0), "io_uring_register ENABLE_RINGS");

    // A signal for this thread may interrupt the wait for operations that use what goes.
    private int Unregister(uint operation)
    {
        int errno;
        do
        {
            errno = Libc.io_uring_register(_number, operation, null, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
        while (errno == Posix.Errno.EINTR);
        return -errno;
    }

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
