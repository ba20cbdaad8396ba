namespace FuseFront.Fuse;

/// <summary>How a WRITE came about.</summary>
[Flags]
public enum FuseWriteFlags : uint
{
    None = 0,

    /// <summary>Written back from mmapped pages, not by a write call.</summary>
    FromPageCache = 1,

    /// <summary>
    /// O_DSYNC, O_SYNC or RWF_DSYNC: stable when it is answered. The kernel sends no FSYNC after a direct write. Not a bit
    /// of the wire's write_flags.
    /// </summary>
    Stable = 1u << 31,
}

/// <summary>Mode of fallocate(2). The kernel passes on only these bits; 0 means: allocate, and grow if needed.</summary>
[Flags]
public enum FallocateMode : uint
{
    None = 0,
    KeepSize = 1,
    PunchHole = 2,
    ZeroRange = 0x10,
}

/// <summary>What an LSEEK looks for; the other kinds of lseek(2) never leave the kernel.</summary>
public enum SeekWhence : uint
{
    /// <summary>The first byte at or after the offset that is not in a hole; ENXIO when there is none.</summary>
    Data = 3,

    /// <summary>The first byte at or after the offset that is in a hole; the end of the file counts as one.</summary>
    Hole = 4,
}

/// <summary>
/// The data operations of a mount's data files, as one queue serves them: one handler a channel, called on the channel's
/// thread only. Offsets and lengths are in bytes, never negative, and their sum never overflows; a length never exceeds the
/// payload's capacity. The handler must not throw; it answers each request once, see <see cref="FuseRequest"/>.
/// </summary>
public interface IFuseDataHandler
{
    /// <summary>Answer with <see cref="FuseChannel.ReplyRead"/>; fewer bytes than asked for mean the end of the file.</summary>
    void Read(in FuseRequest request, FuseFile file, long offset, int length);

    /// <summary>The data is in <see cref="FuseRequest.Payload"/>. Answer with <see cref="FuseChannel.ReplyWritten"/>.</summary>
    void Write(in FuseRequest request, FuseFile file, long offset, int length, FuseWriteFlags flags);

    /// <summary>
    /// Makes all stable that was written and answered before. Answer with <see cref="FuseChannel.ReplyEmpty"/>.
    /// </summary>
    void Fsync(in FuseRequest request, FuseFile file, bool dataOnly);

    /// <summary>Answer with <see cref="FuseChannel.ReplyEmpty"/>.</summary>
    void Fallocate(in FuseRequest request, FuseFile file, FallocateMode mode, long offset, long length);

    /// <summary>
    /// Answer with <see cref="FuseChannel.ReplyLseek"/>. ENOSYS: from then on the kernel takes the whole file for data.
    /// </summary>
    void Lseek(in FuseRequest request, FuseFile file, long offset, SeekWhence whence);

    /// <summary>A batch of the calls above has ended: the time to publish it and to kick.</summary>
    void Submit();

    /// <summary>
    /// The request's caller got a signal. When the request still waits in this process, forget it and return true: the channel
    /// answers EINTR and takes the slot back. False leaves it to finish, as a disk's I/O is not interruptible.
    /// </summary>
    bool TryCancel(int slot);
}
