namespace FuseFront.Fuse;

/// <summary>Counters of one channel, written by its own thread only; other threads see slightly old values.</summary>
public sealed class FuseChannelStatistics
{
    /// <summary>All requests received, those that need no reply included.</summary>
    public long Requests;

    public long Reads;
    public long BytesRead;
    public long Writes;
    public long BytesWritten;
    public long Fsyncs;
    public long Fallocates;
    public long Lseeks;

    /// <summary>INTERRUPT requests received by this channel.</summary>
    public long Interrupts;

    /// <summary>Requests of this channel that an INTERRUPT ended with EINTR.</summary>
    public long Cancelled;

    /// <summary>Rounds of receiving that found at least one request.</summary>
    public long Batches;

    /// <summary>Times that the kernel had nothing more (EAGAIN).</summary>
    public long DryReads;

    /// <summary>Times that receiving stopped because no slot was free.</summary>
    public long SlotShortages;

    /// <summary>Requests answered EINVAL because they broke the protocol.</summary>
    public long Malformed;

    /// <summary>Replies that nobody waited for any more (ENOENT, or the mount gone).</summary>
    public long RepliesUnwanted;

    /// <summary>Replies whose body the kernel refused; their callers got an error.</summary>
    public long RepliesFailed;
}
