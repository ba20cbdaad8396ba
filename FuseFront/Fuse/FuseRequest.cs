namespace FuseFront.Fuse;

/// <summary>
/// One data request as its handler sees it: the slot it lives in, and who asked. The handler answers it exactly once by one
/// of the <see cref="FuseChannel"/>'s <c>Reply</c> methods with <see cref="Slot"/>, at once or later, on the channel's own
/// thread.
/// </summary>
public readonly unsafe struct FuseRequest(FuseChannel channel, int slot, byte* payload, uint uid, uint gid, uint pid)
{
    /// <summary>Where to answer.</summary>
    public FuseChannel Channel { get; } = channel;

    /// <summary>The slot that the request owns until it is answered.</summary>
    public int Slot { get; } = slot;

    /// <summary>The slot's payload: a WRITE's data, from its first byte on.</summary>
    public byte* Payload { get; } = payload;

    /// <summary>Caller's user; of no meaning for write-back of mmapped pages.</summary>
    public uint Uid { get; } = uid;

    /// <summary>Caller's group.</summary>
    public uint Gid { get; } = gid;

    /// <summary>Caller's process, in the server's pid namespace; 0 when it is not visible there.</summary>
    public uint Pid { get; } = pid;
}
