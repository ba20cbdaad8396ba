using RingCore.Virtio;

namespace Backend.Device;

/// <summary>One virtio-blk request between being taken from the ring and being returned. Pooled by its queue.</summary>
internal sealed unsafe class VirtioBlkRequest
{
    public ushort Head;
    public BlkRequestType Type;

    /// <summary>
    /// The status byte in guest memory, in a region that stays mapped while requests are in flight.
    /// </summary>
    public byte* Status;

    /// <summary>Data bytes.</summary>
    public long Length;

    /// <summary>Bytes written to the chain on success: the data of an IN or GET_ID, and the status.</summary>
    public uint Written;

    /// <summary>Stopwatch ticks.</summary>
    public long Started;

    /// <summary>The next request that is part of the same I/O, or of the free list.</summary>
    public VirtioBlkRequest? Next;
}
