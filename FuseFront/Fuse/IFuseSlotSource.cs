namespace FuseFront.Fuse;

/// <summary>
/// One queue's pool of slots, lent to the queue's <see cref="FuseChannel"/>. Each slot has a number and a payload, a page-aligned
/// piece of memory that stays mapped until the channel is disposed. Called on the queue's thread only.
/// </summary>
public unsafe interface IFuseSlotSource
{
    /// <summary>Slots are numbered from 0 up to and without this.</summary>
    int SlotCount { get; }

    /// <summary>Bytes of each payload; at least the session's <c>max_write</c>.</summary>
    int PayloadCapacity { get; }

    /// <summary>
    /// Takes a free slot; false when there is none. The channel asks again after a reply, or
    /// <see cref="FuseChannel.ResumeReceiving"/>.
    /// </summary>
    bool TryTake(out int slot);

    /// <summary>First byte of the slot's payload; the same for the life of the pool.</summary>
    byte* Payload(int slot);

    /// <summary>Gives a slot back.</summary>
    void Return(int slot);
}
