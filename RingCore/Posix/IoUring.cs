using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>
/// One io_uring(7): a submission ring, a completion ring and the system calls that move them. Owns its descriptor and its
/// mappings. For one thread at a time; with <see cref="IoUringSetup.SingleIssuer"/> for the thread that created it
/// (<see cref="Dispose"/> excepted). Allocates nothing after construction.
/// </summary>
/// <remarks>
/// A round: <see cref="GetSqe"/> and a Prepare method for each operation, <see cref="Submit"/> or
/// <see cref="SubmitAndWait"/>, then <see cref="TryPeek"/> and <see cref="Advance"/> over the completions.
/// </remarks>
public sealed unsafe partial class IoUring : IDisposable
{
    private const long OffsetRings = 0;
    private const long OffsetSqes = 0x10000000;
    private const uint EnterGetEvents = 1;
    private const uint EnterExtendedArgument = 8;
    private const uint EnterNoIoWait = 0x80;
    private const uint SqCqOverflow = 2;
    private const uint SqTaskRun = 4;
    private const uint CqEventFdDisabled = 1;
    private const IoUringFeatures Required =
        IoUringFeatures.SingleMapping | IoUringFeatures.NoDrop | IoUringFeatures.ExtendedArgument;

    private readonly FileDescriptor _descriptor;
    private readonly int _number;
    private readonly MemoryMapping _rings;
    private readonly MemoryMapping _entries;
    private readonly byte* _sqes;
    private readonly IoUringCqe* _cqes;
    private readonly uint* _sqHead;
    private readonly uint* _sqTail;
    private readonly uint* _sqFlags;
    private readonly uint* _cqHead;
    private readonly uint* _cqTail;
    private readonly uint* _cqFlags;
    private readonly uint _sqMask;
    private readonly uint _cqMask;
    private readonly int _sqeSize;
    private readonly uint _waitFlags;

    // Entries up to here were handed out; those up to *_sqTail are the kernel's.
    private uint _localTail;

    /// <param name="entries">Submission entries, 1 to 32768; the kernel rounds up to a power of two.</param>
    /// <param name="setup">How. A flag that the kernel does not know is EINVAL.</param>
    /// <param name="completionEntries">Completion entries; 0 leaves twice the submission entries.</param>
    /// <exception cref="PosixException">ENOSYS or EPERM where io_uring is missing or forbidden; ENOSYS before Linux 5.11.</exception>
    public IoUring(uint entries, IoUringSetup setup = IoUringSetup.None, uint completionEntries = 0)
    {
        if ((setup & IoUringSetup.Cqe32) != 0)
        {
            throw new ArgumentException("Completions of 32 bytes are not supported.", nameof(setup));
        }

        IoUringParams p = default;
        p.Flags = (uint)setup;
        if (completionEntries != 0)
        {
            p.Flags |= (uint)IoUringSetup.CqSize;
            p.CqEntries = completionEntries;
        }

        _descriptor = FileDescriptor.FromResult(Libc.io_uring_setup(entries, &p), "io_uring_setup");
        try
        {
            Setup = (IoUringSetup)p.Flags;
            Features = (IoUringFeatures)p.Features;
            if ((Features & Required) != Required)
            {
                throw new PosixException(Posix.Errno.ENOSYS, $"io_uring_setup: the kernel lacks {Required & ~Features}");
            }

            // A server that waits for requests does not wait for I/O: an idle system is not to look like one with a slow disk.
            _waitFlags = EnterGetEvents | ((Features & IoUringFeatures.NoIoWait) != 0 ? EnterNoIoWait : 0);
            _number = _descriptor.Number;
            _sqeSize = (setup & IoUringSetup.Sqe128) != 0 ? 128 : 64;
            SubmissionEntries = p.SqEntries;
            CompletionEntries = p.CqEntries;
            nuint sqEnd = p.Sq.Array + ((nuint)p.SqEntries * sizeof(uint));
            nuint cqEnd = p.Cq.Cqes + ((nuint)p.CqEntries * (nuint)sizeof(IoUringCqe));
            _rings = MemoryMapping.Shared(_descriptor, OffsetRings, nuint.Max(sqEnd, cqEnd), writable: true);
            _entries = MemoryMapping.Shared(_descriptor, OffsetSqes, p.SqEntries * (nuint)_sqeSize, writable: true);
        }
        catch
        {
            _entries?.Dispose();
            _rings?.Dispose();
            _descriptor.Dispose();
            throw;
        }

        // All offsets below come from the kernel, for the mapping whose size was computed from them.
        byte* rings = _rings.Pointer;
        _sqes = _entries.Pointer;
        _sqHead = (uint*)(rings + p.Sq.Head);
        _sqTail = (uint*)(rings + p.Sq.Tail);
        _sqFlags = (uint*)(rings + p.Sq.Flags);
        _cqHead = (uint*)(rings + p.Cq.Head);
        _cqTail = (uint*)(rings + p.Cq.Tail);
        _cqFlags = (uint*)(rings + p.Cq.Flags);
        _cqes = (IoUringCqe*)(rings + p.Cq.Cqes);
        _sqMask = p.SqEntries - 1;
        _cqMask = p.CqEntries - 1;
        _localTail = *_sqTail;

        // Entry i is always named by slot i: the indirection array is written once. It has SqEntries words.
        uint* array = (uint*)(rings + p.Sq.Array);
        for (uint i = 0; i < p.SqEntries; i++)
        {
            array[i] = i;
        }
    }

    /// <summary>The flags that the ring was created with.</summary>
    public IoUringSetup Setup { get; }

    public IoUringFeatures Features { get; }

    public uint SubmissionEntries { get; }

    public uint CompletionEntries { get; }

    /// <summary>The ring's descriptor: readable when there are completions. Still owned by this object.</summary>
    public FileDescriptor Descriptor => _descriptor;

    /// <summary>Entries handed out by <see cref="GetSqe"/> that the kernel has not consumed.</summary>
    public uint Unsubmitted => _localTail - Volatile.Read(ref *_sqHead); // pairs with the kernel's release of sq.head

    /// <summary>Entries that <see cref="GetSqe"/> can still hand out before the next submission.</summary>
    public uint SqSpace => SubmissionEntries - Unsubmitted;

    /// <summary>Completions that can be peeked.</summary>
    public uint Completions => Volatile.Read(ref *_cqTail) - *_cqHead; // pairs with the kernel's release of cq.tail

    /// <summary>
    /// True when the kernel holds completions that only a <see cref="SubmitAndWait"/> makes visible: deferred
    /// work in a ring with <see cref="IoUringSetup.TaskRunFlag"/>, or a completion ring that had overflown. No system call.
    /// </summary>
    public bool HasKernelWork => (Volatile.Read(ref *_sqFlags) & (SqCqOverflow | SqTaskRun)) != 0; // pairs with the kernel's flag updates

    /// <summary>
    /// The next entry, zeroed, or null when the ring is full (then <see cref="Submit"/>). Valid until it is submitted. In a
    /// ring with <see cref="IoUringSetup.Sqe128"/> 128 bytes may be written from it, else 64.
    /// </summary>
    public IoUringSqe* GetSqe()
    {
        if (SqSpace == 0)
        {
            return null;
        }

        // The mask keeps the index below SubmissionEntries, and the mapping holds that many entries of _sqeSize.
        byte* sqe = _sqes + ((_localTail & _sqMask) * (nuint)_sqeSize);
        Unsafe.InitBlockUnaligned(sqe, 0, (uint)_sqeSize);
        _localTail++;
        return (IoUringSqe*)sqe;
    }

    /// <summary>Hands all entries to the kernel without waiting. A no-op when there are none.</summary>
    /// <returns>Entries consumed, or a negative errno: -EBUSY and -EAGAIN ask for completions to be reaped first.</returns>
    public int Submit() => Unsubmitted == 0 ? 0 : Enter(0, 0, null, 0);

    /// <summary>
    /// Hands all entries to the kernel and waits, in one system call, until <paramref name="minComplete"/> completions are
    /// there or the time is over. With <paramref name="minComplete"/> 0 it does not wait, but makes deferred and overflown completions visible.
    /// </summary>
    /// <param name="minComplete">How many to wait for.</param>
    /// <param name="timeoutNs">Nanoseconds; negative waits for ever.</param>
    /// <returns>Entries consumed, or a negative errno. The end of the time and a signal (ETIME, EINTR) are 0.</returns>
    public int SubmitAndWait(uint minComplete, long timeoutNs = -1)
    {
        if (timeoutNs < 0 || minComplete == 0)
        {
            return Enter(minComplete, _waitFlags, null, 0);
        }

        // Both live on this frame until the call returns.
        KernelTimeSpec time = new(timeoutNs);
        IoUringGetEventsArgument argument = default;
        argument.Timeout = &time;
        return Enter(minComplete, _waitFlags | EnterExtendedArgument, &argument, (nuint)sizeof(IoUringGetEventsArgument));
    }

    /// <summary>The oldest completion that was not advanced over, if there is one. No system call.</summary>
    public bool TryPeek(out IoUringCqe cqe)
    {
        uint head = *_cqHead;
        if (head == Volatile.Read(ref *_cqTail)) // pairs with the kernel's release of cq.tail
        {
            cqe = default;
            return false;
        }

        cqe = _cqes[head & _cqMask]; // the mask keeps the index below CompletionEntries
        return true;
    }

    /// <summary>Gives <paramref name="count"/> (at most <see cref="Completions"/>) entries back to the kernel.</summary>
    public void Advance(uint count = 1) => Volatile.Write(ref *_cqHead, *_cqHead + count); // pairs with the kernel's acquire of cq.head

    /// <summary>
    /// Closes the ring; any thread, when no other uses it. The kernel cancels what is in flight, but may do so later: memory
    /// of operations that were not reaped must outlive this.
    /// </summary>
    public void Dispose()
    {
        _rings.Dispose();
        _entries.Dispose();
        _descriptor.Dispose();
    }

    private int Enter(uint minComplete, uint flags, void* argument, nuint size)
    {
        Volatile.Write(ref *_sqTail, _localTail); // pairs with the kernel's acquire of sq.tail
        int n = Libc.io_uring_enter(_number, Unsubmitted, minComplete, flags, argument, size);
        if (n >= 0)
        {
            return n;
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno is Posix.Errno.ETIME or Posix.Errno.EINTR ? 0 : -errno;
    }
}
