using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>io_uring(7), which the C library does not wrap. The numbers are the same on every architecture.</summary>
internal static unsafe partial class Libc
{
    private const nint SysIoUringSetup = 425;
    private const nint SysIoUringEnter = 426;
    private const nint SysIoUringRegister = 427;

    internal static int io_uring_setup(uint entries, IoUringParams* parameters) =>
        (int)syscall(SysIoUringSetup, (nint)entries, (nint)parameters, 0, 0, 0, 0);

    /// <summary>May sleep, and may do the I/O itself: keeps the GC transition.</summary>
    internal static int io_uring_enter(int fd, uint toSubmit, uint minComplete, uint flags, void* argument, nuint size) =>
        (int)syscall(SysIoUringEnter, fd, (nint)toSubmit, (nint)minComplete, (nint)flags, (nint)argument, (nint)size);

    internal static int io_uring_register(int fd, uint opcode, void* argument, uint count) =>
        (int)syscall(SysIoUringRegister, fd, (nint)opcode, (nint)argument, (nint)count, 0, 0);

    /// <summary>The C library's way to any system call; the callee ignores the arguments that a call does not have.</summary>
    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);
}

/// <summary>struct io_uring_params, 120 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IoUringParams
{
    public uint SqEntries;
    public uint CqEntries;
    public uint Flags;
    public uint SqThreadCpu;
    public uint SqThreadIdle;
    public uint Features;
    public uint WorkQueueFd;
    private readonly uint _reserved0;
    private readonly uint _reserved1;
    private readonly uint _reserved2;
    public IoUringSqOffsets Sq;
    public IoUringCqOffsets Cq;
}

/// <summary>struct io_sqring_offsets: where the submission ring's words lie in its mapping.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IoUringSqOffsets
{
    public uint Head;
    public uint Tail;
    public uint RingMask;
    public uint RingEntries;
    public uint Flags;
    public uint Dropped;
    public uint Array;
    private readonly uint _reserved;
    private readonly ulong _userAddress;
}

/// <summary>struct io_cqring_offsets: where the completion ring's words lie in its mapping.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IoUringCqOffsets
{
    public uint Head;
    public uint Tail;
    public uint RingMask;
    public uint RingEntries;
    public uint Overflow;
    public uint Cqes;
    public uint Flags;
    private readonly uint _reserved;
    private readonly ulong _userAddress;
}

/// <summary>struct io_uring_getevents_arg: what IORING_ENTER_EXT_ARG passes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct IoUringGetEventsArgument
{
    public ulong SignalMask;
    public uint SignalMaskSize;
    public uint MinWaitMicroseconds;
    public KernelTimeSpec* Timeout;
}

/// <summary>struct io_uring_rsrc_register, 32 bytes: a new table of buffers.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IoUringResourceTable
{
    /// <summary>IORING_RSRC_REGISTER_SPARSE: the table begins empty.</summary>
    internal const uint Sparse = 1;

    public uint Count;
    public uint Flags;
    private readonly ulong _reserved;
    private readonly ulong _data;
    private readonly ulong _tags;
}

/// <summary>struct io_uring_rsrc_update2, 32 bytes: entries of a table from <see cref="Offset"/> on.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct IoUringResourceUpdate
{
    public uint Offset;
    private readonly uint _reserved;
    public IoVector* Data;
    private readonly ulong _tags;
    public uint Count;
    private readonly uint _reserved2;
}

/// <summary>struct __kernel_timespec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelTimeSpec(long nanoseconds)
{
    public long Seconds = nanoseconds / 1_000_000_000;
    public long Nanoseconds = nanoseconds % 1_000_000_000;
}
