using System.Runtime.CompilerServices;
using FuseFront.Fuse.Wire;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>The bytes: how a request comes in and a reply goes out.</summary>
internal sealed unsafe partial class UringFuseChannel
{
    private const int HeadLength = 40;

    /// <summary>An entry has a request, or is lost.</summary>
    void IRingCompletion.Completed(uint tag, int result)
    {
        int i = (int)tag;
        if (result < 0)
        {
            Lose(i, -result);
        }
        else if (!_running)
        {
            _entries[i].State = EntryState.LeftAlone;
        }
        else
        {
            _received++;
            Serve(i);
        }
    }

    void IRingCompletion.EndBatch()
    {
        if (_received != 0)
        {
            _received = 0;
            Statistics.Batches++;
            EndBatch();
        }
    }

    /// <inheritdoc/>
    private protected override void SendReply(int slot, ulong unique, int errno, byte* body, int length)
    {
        byte* payload = Slots.Payload(slot);
        if (length != 0 && body != payload)
        {
            // A few bytes, unless a READ's answer was put elsewhere than at the start of the payload; both are in its capacity.
            Buffer.MemoryCopy(body, payload, PayloadCapacity, length);
        }

        Commit(_entryOfSlot[slot], errno, length);
    }

    private void Register(int i)
    {
        ref Entry entry = ref _entries[i];
        IoVector* vectors = Vectors(i);
        vectors[0] = new IoVector((byte*)Headers(i), (nuint)sizeof(FuseUringHeaders));
        vectors[1] = new IoVector(Slots.Payload(entry.Slot), (nuint)PayloadCapacity);
        IoUringSqe* sqe = Prepare(i, FuseUringCommand.Register, 0);
        sqe->Address = (ulong)vectors;
        sqe->Length = RegisterVectors;
    }

    /// <summary>Sends the reply, whose body is <paramref name="length"/> bytes at the payload's start, and asks for more.</summary>
    private void Commit(int i, int errno, int length)
    {
        ref Entry entry = ref _entries[i];
        FuseUringHeaders* headers = Headers(i);
        *(FuseOutHeader*)headers->InOut = new FuseOutHeader
        {
            Length = (uint)(sizeof(FuseOutHeader) + length),
            Error = -errno,
            Unique = entry.Unique,
        };
        headers->Entry.PayloadSize = (uint)length;
        Prepare(i, FuseUringCommand.CommitAndFetch, entry.CommitId);
    }

    private IoUringSqe* Prepare(int i, uint operation, ulong commitId)
    {
        // The loop's ring has entries of 128 bytes, as Start has made sure: the command's 24 bytes from byte 48 on fit.
        IoUringSqe* sqe = _client!.Prepare((uint)i);
        sqe->PrepareUringCmd(_device.Descriptor, operation);
        *(FuseUringCommand*)((byte*)sqe + IoUringSqe.CommandOffset) =
            new FuseUringCommand { CommitId = commitId, QueueId = _entries[i].QueueId };
        _entries[i].State = EntryState.WithKernel;
        return sqe;
    }

    private void Serve(int i)
    {
        Statistics.Requests++;
        ref Entry entry = ref _entries[i];
        FuseUringHeaders* headers = Headers(i);
        FuseInHeader header = *(FuseInHeader*)headers->InOut;
        entry.State = EntryState.Serving;
        _latestQueue = entry.QueueId;
        entry.Unique = header.Unique;
        entry.CommitId = headers->Entry.CommitId;
        long payloadLength = headers->Entry.PayloadSize;

        // How long the argument struct is, the kernel does not say by itself.
        long argumentsLength = header.Length - (long)HeadLength - payloadLength;
        if (argumentsLength is < 0 or > FuseUringHeaders.ArgumentsCapacity || payloadLength > PayloadCapacity)
        {
            Statistics.Malformed++;
            Commit(i, Errno.EINVAL, 0);
        }
        else if (!TryServeData(entry.Slot, header, headers->Arguments, (int)argumentsLength, (int)payloadLength))
        {
            ServeOther(i, header, (int)argumentsLength, (int)payloadLength);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ServeOther(int i, in FuseInHeader header, int argumentsLength, int payloadLength)
    {
        // A private copy of the whole: the payload is memory that others can write. What does not fit belongs to a request that
        // is refused unread. The reply is written into the payload and not read there again.
        byte* scratch = _memory.Pointer + ScratchOffset;
        byte* payload = Slots.Payload(_entries[i].Slot);
        int rest = Math.Min(payloadLength, ScratchLength - argumentsLength);
        Buffer.MemoryCopy(Headers(i)->Arguments, scratch, ScratchLength, argumentsLength);
        Buffer.MemoryCopy(payload, scratch + argumentsLength, ScratchLength - argumentsLength, rest);
        ReadOnlySpan<byte> body = new(scratch, argumentsLength + rest);
        int result = _server.Serve(header, body, new Span<byte>(payload, PayloadCapacity));
        Commit(i, result is FuseDirectoryServer.NoReply or >= 0 ? 0 : -result, Math.Max(0, result));
    }

    /// <summary>
    /// The kernel has given the entry up: at the mount's end, or because it was never accepted. Its slot is free once no request
    /// lives in it.
    /// </summary>
    private void Lose(int i, int errno)
    {
        ref Entry entry = ref _entries[i];
        entry.State = EntryState.Unknown;
        Slots.Return(entry.Slot);
        entry.Slot = -1;
        if (_running && errno != Errno.ECANCELED)
        {
            // ENOENT: the end of the mount came between a request and its reply.
            bool isOrdinary = errno is Errno.ENOTCONN or Errno.ENODEV or Errno.ECONNABORTED or Errno.ENOENT;
            Session.ReportEnd(isOrdinary ? Errno.ENODEV : errno, "FUSE over io_uring");
        }
    }
}
