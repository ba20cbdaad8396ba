using RingCore.Posix;

namespace Backend.Block;

public enum BlockOperation
{
    Read,
    Write,

    /// <summary>Makes every request stable that completed before this one was submitted, on any queue.</summary>
    Flush,

    /// <summary>Deallocates. Unlike virtio's (1.3 §5.2.6), the range then reads as zeroes.</summary>
    Discard,

    /// <summary>The range then reads as zeroes; deallocated only with <see cref="BlockRequestFlags.MayUnmap"/>.</summary>
    WriteZeroes,

    /// <summary>
    /// The driver asks for the serial, which is in the vectors already. Only for a filter on top that is there to interfere
    /// (<see cref="IBlockQueue.TakesGetId"/>); it never hands it on.
    /// </summary>
    GetId,
}

[Flags]
public enum BlockRequestFlags
{
    None = 0,

    /// <summary>Write, WriteZeroes: stable before completion.</summary>
    ForceUnitAccess = 1,

    /// <summary>WriteZeroes: the driver may deallocate.</summary>
    MayUnmap = 2,
}

/// <summary>One I/O. Owned and pooled by the submitter; a driver keeps it only between Submit and completion.</summary>
public sealed unsafe class BlockRequest(Action<BlockRequest> completed)
{
    public BlockOperation Operation;
    public BlockRequestFlags Flags;

    /// <summary>Bytes; validated by the submitter against <see cref="BlockLimits.Length"/>.</summary>
    public long Offset;

    /// <summary>Bytes; for Read and Write the sum of the vectors.</summary>
    public long Length;

    /// <summary>Native memory of the submitter, stable until completion.</summary>
    public IoVector* Vectors;
    public int VectorCount;

    /// <summary>0, or a positive errno. Set by the driver before completion.</summary>
    public int Error;

    /// <summary>For the driver below, while it holds the request.</summary>
    public object? DriverState;

    /// <summary>For the submitter.</summary>
    public object? Owner;

    /// <summary>Called by a driver exactly once for each Submit, on the queue's thread.</summary>
    public void Complete(int error)
    {
        Error = error;
        completed(this);
    }
}
