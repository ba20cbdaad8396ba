using System.Runtime.CompilerServices;
using FuseFront.Fuse.Wire;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>The bytes: how a request comes in and a reply goes out.</summary>
internal sealed unsafe partial class DevFuseChannel
{
    // Private memory: head and arguments, right behind them room to put a request without payload together, then a reply's body.
    private const int HeadLength = 40;
    private const int FixedLength = HeadLength + MaxDataArguments;
    private const int RequestLength = 8192;
    private const int ReplyOffset = RequestLength;
    private const int ReplyLength = 64 << 10;
    private const int MemoryLength = ReplyOffset + ReplyLength;

    /// <summary>How receiving came to a halt.</summary>
    private enum Outcome
    {
        /// <summary>The kernel has nothing more.</summary>
        Dry,

        /// <summary>There may be more.</summary>
        BatchFull,

        /// <summary>There may be more, but no slot to receive it into.</summary>
        NoSlot,

        /// <summary>The mount is gone, or the channel was stopped.</summary>
        Ended,
    }

    /// <inheritdoc/>
    private protected override void SendReply(int slot, ulong unique, int errno, byte* body, int length)
    {
        if (Send(unique, errno, body, length) is int error and not 0 && length != 0)
        {
            // The kernel could not take the body. Usually it has failed the request itself; if it has not, it is failed here.
            _ = Send(unique, error, null, 0);
        }

        Slots.Return(slot);
        ResumeReceiving();
    }

    private Outcome ReceiveBatch(out int received)
    {
        received = 0;
        Outcome outcome = Outcome.BatchFull;
        for (int i = 0; i < BatchLimit; i++)
        {
            if (_nextSlot == NoSlot && !Slots.TryTake(out _nextSlot))
            {
                _nextSlot = NoSlot;
                Statistics.SlotShortages++;
                outcome = Outcome.NoSlot;
                break;
            }

            int length = Receive();
            if (length > 0)
            {
                received++;
                Dispatch(length);
            }
            else if (length != 0)
            {
                outcome = length == -Errno.EAGAIN ? Outcome.Dry : Outcome.Ended;
                break;
            }

            if (!_running)
            {
                outcome = Outcome.Ended;
                break;
            }
        }

        if (received != 0)
        {
            Statistics.Batches++;
            EndBatch();
        }

        return outcome;
    }

    /// <summary>
    /// One request into private memory and the next slot. Its length; 0: nothing this time, try again; a negative errno.
    /// </summary>
    private int Receive()
    {
        // The first vector is private memory of at least FixedLength bytes, the second a whole payload as the source vouches.
        IoVector* vectors = stackalloc IoVector[2];
        vectors[0] = new IoVector(_memory.Pointer, FixedLength);
        vectors[1] = new IoVector(Slots.Payload(_nextSlot), (nuint)PayloadCapacity);
        nint n = _device.Receive(vectors, 2);
        if (n >= 0)
        {
            return (int)n;
        }

        switch ((int)-n)
        {
            case Errno.EAGAIN:
                Statistics.DryReads++;
                break;
            case Errno.EINTR:
            case Errno.ENOENT:
                // A signal; or the request was given up by its caller while it was being handed over.
                return 0;
            default:
                End((int)-n);
                break;
        }

        return (int)n;
    }

    private void Dispatch(int length)
    {
        Statistics.Requests++;
        byte* request = _memory.Pointer;
        FuseInHeader header = *(FuseInHeader*)request;
        if (length < HeadLength || header.Length != (uint)length || header.Unique == 0)
        {
            Statistics.Malformed++;
            if (length >= HeadLength && header.Unique != 0)
            {
                _ = Send(header.Unique, Errno.EINVAL, null, 0);
            }

            return;
        }

        int argumentsLength = Math.Min(length, FixedLength) - HeadLength;
        int payloadLength = Math.Max(0, length - FixedLength);
        int slot = _nextSlot;

        // A handler may answer at once, and the slot may be taken again before TryServeData returns.
        _nextSlot = NoSlot;
        if (!TryServeData(slot, header, request + HeadLength, argumentsLength, payloadLength))
        {
            _nextSlot = slot;
            ServeOther(header, argumentsLength, payloadLength);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ServeOther(in FuseInHeader header, int argumentsLength, int payloadLength)
    {
        // What spilled into the slot is put behind the arguments again. Anything longer than the room is a request that is
        // refused unread (an xattr, a long list of forgets).
        byte* request = _memory.Pointer;
        int spill = Math.Min(payloadLength, RequestLength - FixedLength);
        new ReadOnlySpan<byte>(Slots.Payload(_nextSlot), spill).CopyTo(new Span<byte>(request + FixedLength, spill));
        ReadOnlySpan<byte> body = new(request + HeadLength, argumentsLength + spill);
        if (header.Opcode == FuseOpcode.Interrupt)
        {
            Interrupt(header.Unique, body);
            return;
        }

        byte* reply = _memory.Pointer + ReplyOffset;
        int result = _server.Serve(header, body, new Span<byte>(reply, ReplyLength));
        if (result != FuseDirectoryServer.NoReply)
        {
            _ = Send(header.Unique, Math.Max(0, -result), reply, Math.Max(0, result));
        }
    }

    private void Interrupt(ulong unique, ReadOnlySpan<byte> body)
    {
        Statistics.Interrupts++;
        WireReader reader = new(body);
        if (reader.TryRead(out FuseInterruptIn arguments))
        {
            // Only the channel that has the request can tell, on its own thread. EAGAIN makes the kernel ask again if the request
            // is one of this channel's; otherwise it has been answered meanwhile, and the kernel finds nobody to tell (ENOENT).
            Session.Interrupt(this, arguments.Unique, () => AskAgain(unique));
        }
    }

    private void AskAgain(ulong unique)
    {
        if (_running)
        {
            _ = Send(unique, Errno.EAGAIN, null, 0);
        }
    }

    /// <summary>
    /// Sends a reply. Returns 0, or the positive errno of a reply that the kernel did not take though somebody waits for it.
    /// </summary>
    private int Send(ulong unique, int errno, byte* body, int length)
    {
        // The header is a local; the body is `length` bytes in a slot's payload, in private memory, or on a caller's stack.
        FuseOutHeader header = new() { Length = (uint)(sizeof(FuseOutHeader) + length), Error = -errno, Unique = unique };
        IoVector* vectors = stackalloc IoVector[2];
        vectors[0] = new IoVector((byte*)&header, (nuint)sizeof(FuseOutHeader));
        vectors[1] = new IoVector(body, (nuint)length);
        nint n = _device.Send(vectors, length == 0 ? 1 : 2);
        if (n >= 0)
        {
            return 0;
        }

        if (n is -Errno.ENOENT or -Errno.ENODEV or -Errno.EPERM or -Errno.ENOTCONN)
        {
            Statistics.RepliesUnwanted++;
            return 0;
        }

        Statistics.RepliesFailed++;
        return (int)-n;
    }

    private void End(int errno)
    {
        StopReceiving();
        Session.ReportEnd(errno);
    }
}
