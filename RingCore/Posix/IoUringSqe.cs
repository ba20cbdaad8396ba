using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>
/// One submission entry: struct io_uring_sqe, 64 bytes; in a ring with <see cref="IoUringSetup.Sqe128"/> another 64
/// follow it. <see cref="IoUring.GetSqe"/> hands it out zeroed; the Prepare methods fill in one operation each, and leave
/// <see cref="Flags"/> to the caller. The descriptor must stay open until the entry has been submitted, the memory that it
/// points to must stay mapped until it has completed.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
public unsafe struct IoUringSqe
{
    /// <summary>Offset of <see cref="Command"/> in the entry.</summary>
    public const int CommandOffset = 48;

    [FieldOffset(0)]
    public IoUringOp Opcode;

    [FieldOffset(1)]
    public IoUringSqeFlags Flags;

    [FieldOffset(2)]
    public ushort IoPriority;

    [FieldOffset(4)]
    private int _fd;

    /// <summary>Offset in the file in bytes (for a command: its number, <see cref="CommandOp"/>).</summary>
    [FieldOffset(8)]
    public ulong Offset;

    [FieldOffset(8)]
    public uint CommandOp;

    /// <summary>A buffer, an array of vectors, or the user data of another entry.</summary>
    [FieldOffset(16)]
    public ulong Address;

    /// <summary>Bytes, or number of vectors.</summary>
    [FieldOffset(24)]
    public uint Length;

    /// <summary>rw_flags, fsync_flags, poll32_events, …</summary>
    [FieldOffset(28)]
    public uint OpFlags;

    /// <summary>Comes back in <see cref="IoUringCqe.UserData"/>.</summary>
    [FieldOffset(32)]
    public ulong UserData;

    /// <summary>Index of a registered buffer.</summary>
    [FieldOffset(40)]
    public ushort BufferIndex;

    /// <summary>First of 16 bytes of a command's argument; of 80 with <see cref="IoUringSetup.Sqe128"/>.</summary>
    [FieldOffset(CommandOffset)]
    public byte Command;

    public void PrepareNop() => Opcode = IoUringOp.Nop;

    public void PrepareRead(FileDescriptor fd, void* buffer, uint length, ulong offset) =>
        Fill(IoUringOp.Read, fd, buffer, length, offset);

    public void PrepareWrite(FileDescriptor fd, void* buffer, uint length, ulong offset) =>
        Fill(IoUringOp.Write, fd, buffer, length, offset);

    /// <summary>preadv2(2); the vectors must stay valid until submission (IORING_FEAT_SUBMIT_STABLE).</summary>
    public void PrepareReadV(FileDescriptor fd, IoVector* vectors, uint count, ulong offset) =>
        Fill(IoUringOp.ReadV, fd, vectors, count, offset);

    /// <summary>pwritev2(2); <paramref name="rwFlags"/> takes RWF_DSYNC (2) and its like.</summary>
    public void PrepareWriteV(FileDescriptor fd, IoVector* vectors, uint count, ulong offset, uint rwFlags = 0)
    {
        Fill(IoUringOp.WriteV, fd, vectors, count, offset);
        OpFlags = rwFlags;
    }

    /// <summary>Reads into a part of registered buffer <paramref name="bufferIndex"/>.</summary>
    public void PrepareReadFixed(FileDescriptor fd, void* buffer, uint length, ulong offset, ushort bufferIndex)
    {
        Fill(IoUringOp.ReadFixed, fd, buffer, length, offset);
        BufferIndex = bufferIndex;
    }

    /// <summary>Writes a part of registered buffer <paramref name="bufferIndex"/>; <paramref name="rwFlags"/> as in <see cref="PrepareWriteV"/>.</summary>
    public void PrepareWriteFixed(
        FileDescriptor fd, void* buffer, uint length, ulong offset, ushort bufferIndex, uint rwFlags = 0)
    {
        Fill(IoUringOp.WriteFixed, fd, buffer, length, offset);
        BufferIndex = bufferIndex;
        OpFlags = rwFlags;
    }

    /// <summary>fsync(2), or fdatasync(2) with <paramref name="dataOnly"/>.</summary>
    public void PrepareFSync(FileDescriptor fd, bool dataOnly)
    {
        Fill(IoUringOp.FSync, fd, null, 0, 0);
        OpFlags = dataOnly ? 1u : 0u; // IORING_FSYNC_DATASYNC
    }

    /// <summary>fallocate(2).</summary>
    public void PrepareFAllocate(FileDescriptor fd, int mode, ulong offset, ulong length)
    {
        Fill(IoUringOp.FAllocate, fd, (void*)length, (uint)mode, offset);
    }

    /// <summary>One-shot poll for <paramref name="events"/> (<see cref="PollEvents"/>); completes with those that are true.</summary>
    public void PreparePollAdd(FileDescriptor fd, PollEvents events)
    {
        Fill(IoUringOp.PollAdd, fd, null, 0, 0);
        // The kernel stores poll32_events with its 16-bit halves swapped on big-endian machines.
        uint word = (uint)events;
        OpFlags = BitConverter.IsLittleEndian ? word : (word << 16) | (word >> 16);
    }

    /// <summary>
    /// A poll that stays, and completes again and again (IORING_CQE_F_MORE) until it is cancelled, fails, or finds the completion
    /// ring full (Linux 5.13; EINVAL before). Edge triggered, <see cref="PollEvents.Edge"/>, whether or not that is asked for.
    /// </summary>
    public void PreparePollMultishot(FileDescriptor fd, PollEvents events)
    {
        PreparePollAdd(fd, events);
        Length = 1; // IORING_POLL_ADD_MULTI
    }

    /// <summary>
    /// Cancels the entry that had <paramref name="userData"/>, which then completes with ECANCELED. For a poll, too:
    /// IORING_OP_POLL_REMOVE refuses while an event is on its way (EALREADY), after which a poll that stays would stay for good.
    /// </summary>
    public void PrepareCancel(ulong userData)
    {
        Opcode = IoUringOp.AsyncCancel;
        _fd = -1;
        Address = userData;
    }

    /// <summary>A command for the driver behind the descriptor, whose argument goes to <see cref="Command"/>.</summary>
    public void PrepareUringCmd(FileDescriptor fd, uint commandOp)
    {
        Fill(IoUringOp.UringCmd, fd, null, 0, 0);
        CommandOp = commandOp;
    }

    /// <summary>Uses registered file <paramref name="index"/> in place of the descriptor given before.</summary>
    public void SetFixedFile(int index)
    {
        _fd = index;
        Flags |= IoUringSqeFlags.FixedFile;
    }

    // A handle that was disposed while somebody holds a reference is still open: the number counts, not IsClosed.
    private void Fill(IoUringOp op, FileDescriptor fd, void* address, uint length, ulong offset)
    {
        Opcode = op;
        _fd = (int)fd.DangerousGetHandle();
        Address = (ulong)address;
        Length = length;
        Offset = offset;
    }
}

/// <summary>One completion: struct io_uring_cqe, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct IoUringCqe
{
    /// <summary>The entry's <see cref="IoUringSqe.UserData"/>.</summary>
    public readonly ulong UserData;

    /// <summary>What the system call would have returned, or a negative errno.</summary>
    public readonly int Result;

    /// <summary>IORING_CQE_F_*.</summary>
    public readonly uint Flags;

    /// <summary>IORING_CQE_F_MORE: the entry goes on, and this is not its last completion.</summary>
    public bool HasMore => (Flags & 2) != 0;
}
