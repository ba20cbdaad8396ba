using FuseFront.Fuse.Wire;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>
/// One queue's way to the kernel: receives requests into slots, hands data requests to the queue's
/// <see cref="IFuseDataHandler"/>, and carries the replies back. Everything but <see cref="Start"/>, <see cref="Stop"/> and
/// <see cref="Statistics"/> belongs to the thread that runs <see cref="Context"/>. A slot is the handler's from the call
/// until its reply; by the reply it goes back to the channel, which returns it to the source or keeps it for the next
/// request.
/// </summary>
public abstract unsafe partial class FuseChannel : IDisposable
{
    private readonly FuseDirectory _directory;
    private readonly IFuseDataHandler _handler;

    // The request that lives in each slot, 0 for none. Private memory: no other process can make us answer a wrong one.
    private readonly ulong[] _uniqueOfSlot;
    private bool _handlerHasNews;

    private protected FuseChannel(
        FuseSession session, int index, AioContext context, IFuseSlotSource slots, IFuseDataHandler handler,
        FuseChannelStatistics? statistics = null)
    {
        if (slots.PayloadCapacity < session.Negotiated.MaxWrite)
        {
            throw new ArgumentException(
                $"a slot's payload holds {slots.PayloadCapacity} bytes, the kernel sends up to {session.Negotiated.MaxWrite}",
                nameof(slots));
        }

        Session = session;
        Statistics = statistics ?? new FuseChannelStatistics();
        Index = index;
        Context = context;
        Slots = slots;
        _handler = handler;
        _directory = session.Directory;
        PayloadCapacity = slots.PayloadCapacity;
        _uniqueOfSlot = new ulong[slots.SlotCount];
    }

    /// <summary>The mount it serves.</summary>
    public FuseSession Session { get; }

    /// <summary>Its place among the session's channels, from 0.</summary>
    public int Index { get; }

    /// <summary>The event loop whose thread it lives on.</summary>
    public AioContext Context { get; }

    /// <summary>Counters; readable from any thread.</summary>
    public FuseChannelStatistics Statistics { get; }

    /// <summary>Data requests received and not answered yet.</summary>
    public int InFlight { get; private set; }

    /// <summary>The CPU that the latest request came from; negative where the kernel does not tell, as over /dev/fuse.</summary>
    public virtual int SubmitterCpu => -1;

    /// <summary>The thread that the latest data request came from; 0 for the kernel's own.</summary>
    public uint SubmitterThread { get; private protected set; }

    private protected IFuseSlotSource Slots { get; }

    private protected int PayloadCapacity { get; }

    /// <summary>
    /// After a request that came alone, the session's other channels get the next, if one of them waits. Only over /dev/fuse, where any
    /// channel gets any request; else the one that has waited longest would get them all.
    /// </summary>
    public bool TakesTurns { get; set; }

    /// <summary>Begins to receive; any thread, waits for the channel's.</summary>
    public abstract void Start();

    /// <summary>
    /// Receives no more; any thread, waits for the channel's. Requests in flight can still be answered until the channel is
    /// disposed.
    /// </summary>
    public abstract void Stop();

    /// <summary>
    /// A slot became free by other means than a reply: receiving goes on if it had stopped for want of one. Costs nothing
    /// otherwise.
    /// </summary>
    public abstract void ResumeReceiving();

    /// <summary>Looks for requests once, as if the device had become readable; any thread.</summary>
    internal abstract void LookOnce();

    /// <summary>
    /// Ends a READ with <paramref name="length"/> bytes, from anywhere in the slot's payload (best from its start).
    /// </summary>
    public void ReplyRead(int slot, byte* data, int length)
    {
        Statistics.BytesRead += length;
        Reply(slot, 0, data, length);
    }

    /// <summary>Ends a WRITE of which <paramref name="bytes"/> bytes were taken.</summary>
    public void ReplyWritten(int slot, int bytes)
    {
        Statistics.BytesWritten += bytes;
        FuseWriteOut body = new() { Size = (uint)bytes };
        Reply(slot, 0, (byte*)&body, sizeof(FuseWriteOut));
    }

    /// <summary>Ends an FSYNC or FALLOCATE well.</summary>
    public void ReplyEmpty(int slot) => Reply(slot, 0, null, 0);

    /// <summary>Ends any request with a positive <paramref name="errno"/>.</summary>
    public void ReplyError(int slot, int errno) => Reply(slot, errno, null, 0);

    /// <summary>Ends an LSEEK with the offset found.</summary>
    public void ReplyLseek(int slot, long offset)
    {
        FuseLseekOut body = new() { Offset = (ulong)offset };
        Reply(slot, 0, (byte*)&body, sizeof(FuseLseekOut));
    }

    /// <summary>
    /// Stops, if it was not stopped, and lets go of its descriptor and memory. No thread may still use the channel.
    /// </summary>
    public abstract void Dispose();

    /// <summary>
    /// Sends the reply to the data request <paramref name="unique"/> in <paramref name="slot"/>, and takes the slot back.
    /// <paramref name="body"/> is in the slot's payload, or on the stack and at most 8 bytes long.
    /// </summary>
    private protected abstract void SendReply(int slot, ulong unique, int errno, byte* body, int length);

    private void Reply(int slot, int errno, byte* body, int length)
    {
        ulong unique = _uniqueOfSlot[slot];
        if (unique == 0)
        {
            throw new InvalidOperationException($"slot {slot} of FUSE channel {Index} holds no request: answered twice?");
        }

        _uniqueOfSlot[slot] = 0;
        InFlight--;
        SendReply(slot, unique, errno, body, length);
    }
}
