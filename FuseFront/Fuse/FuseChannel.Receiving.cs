using FuseFront.Fuse.Wire;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>How a received request finds its server: data requests go to the handler, all others to the directory.</summary>
public abstract unsafe partial class FuseChannel
{
    /// <summary>Longest argument struct of a data request: fuse_read_in and fuse_write_in.</summary>
    private protected const int MaxDataArguments = 40;

    /// <summary>
    /// Serves a READ, WRITE, FSYNC, FALLOCATE or LSEEK of a data file. False when the request is none of these: the caller
    /// then has it served by the session's directory. True: the slot is the handler's until it answers (which may be over
    /// already).
    /// </summary>
    /// <param name="slot">Where the payload is.</param>
    /// <param name="header">Private copy of the request's head.</param>
    /// <param name="arguments">Private copy of the argument struct: <see cref="MaxDataArguments"/> readable bytes.</param>
    /// <param name="argumentsLength">How many of them were received.</param>
    /// <param name="payloadLength">Bytes received into the slot's payload.</param>
    private protected bool TryServeData(
        int slot, in FuseInHeader header, byte* arguments, int argumentsLength, int payloadLength)
    {
        if (!IsDataOpcode(header.Opcode) || _directory.Find(header.NodeId) is not { IsData: true } file)
        {
            return false;
        }

        // From here on the slot owns a request, and every way out answers it.
        _uniqueOfSlot[slot] = header.Unique;
        SubmitterThread = header.Pid;
        InFlight++;
        FuseRequest request = new(this, slot, Slots.Payload(slot), header.Uid, header.Gid, header.Pid);
        bool understood = header.Opcode switch
        {
            FuseOpcode.Read => argumentsLength >= sizeof(FuseReadIn) && Read(request, file, *(FuseReadIn*)arguments),
            FuseOpcode.Write => argumentsLength >= sizeof(FuseWriteIn)
                && Write(request, file, *(FuseWriteIn*)arguments, payloadLength),
            FuseOpcode.Fsync => argumentsLength >= sizeof(FuseFsyncIn) && Fsync(request, file, *(FuseFsyncIn*)arguments),
            FuseOpcode.Fallocate => argumentsLength >= sizeof(FuseFallocateIn)
                && Fallocate(request, file, *(FuseFallocateIn*)arguments),
            _ => argumentsLength >= sizeof(FuseLseekIn) && Lseek(request, file, *(FuseLseekIn*)arguments),
        };
        if (!understood)
        {
            Statistics.Malformed++;
            ReplyError(slot, Errno.EINVAL);
        }

        return true;
    }

    /// <summary>To be called when a batch has been received: lets the handler publish what it was given.</summary>
    private protected void EndBatch()
    {
        if (_handlerHasNews)
        {
            _handlerHasNews = false;
            _handler.Submit();
        }
    }

    /// <summary>
    /// Looks for a request among those in flight here, and cancels it if the handler lets go of it; true when it was found.
    /// </summary>
    internal bool Interrupt(ulong unique)
    {
        // 0 marks an empty place; no request has it for a name.
        int slot = unique == 0 ? -1 : Array.IndexOf(_uniqueOfSlot, unique);
        if (slot < 0)
        {
            return false;
        }

        if (_handler.TryCancel(slot))
        {
            Statistics.Cancelled++;
            ReplyError(slot, Errno.EINTR);
        }

        return true;
    }

    private static bool IsDataOpcode(FuseOpcode opcode) =>
        opcode is FuseOpcode.Read or FuseOpcode.Write or FuseOpcode.Fsync or FuseOpcode.Fallocate or FuseOpcode.Lseek;

    private static bool IsRange(ulong offset, ulong length) =>
        offset <= long.MaxValue && length <= long.MaxValue - offset;

    private bool Read(in FuseRequest request, FuseFile file, in FuseReadIn arguments)
    {
        if (!IsRange(arguments.Offset, arguments.Size) || arguments.Size > (uint)PayloadCapacity)
        {
            return false;
        }

        Statistics.Reads++;
        _handlerHasNews = true;
        _handler.Read(request, file, (long)arguments.Offset, (int)arguments.Size);
        return true;
    }

    private bool Write(in FuseRequest request, FuseFile file, in FuseWriteIn arguments, int payloadLength)
    {
        if (!IsRange(arguments.Offset, arguments.Size) || arguments.Size != (uint)payloadLength)
        {
            return false;
        }

        Statistics.Writes++;
        _handlerHasNews = true;
        FuseWriteFlags flags = (FuseWriteFlags)arguments.WriteFlags & FuseWriteFlags.FromPageCache;
        if ((arguments.Flags & (uint)OpenFlags.DataSync) != 0)
        {
            flags |= FuseWriteFlags.Stable;
        }

        _handler.Write(request, file, (long)arguments.Offset, payloadLength, flags);
        return true;
    }

    private bool Fsync(in FuseRequest request, FuseFile file, in FuseFsyncIn arguments)
    {
        Statistics.Fsyncs++;
        _handlerHasNews = true;
        _handler.Fsync(request, file, (arguments.FsyncFlags & FuseFsyncIn.DataOnly) != 0);
        return true;
    }

    private bool Fallocate(in FuseRequest request, FuseFile file, in FuseFallocateIn arguments)
    {
        if (!IsRange(arguments.Offset, arguments.Length))
        {
            return false;
        }

        Statistics.Fallocates++;
        _handlerHasNews = true;
        _handler.Fallocate(
            request, file, (FallocateMode)arguments.Mode, (long)arguments.Offset, (long)arguments.Length);
        return true;
    }

    private bool Lseek(in FuseRequest request, FuseFile file, in FuseLseekIn arguments)
    {
        SeekWhence whence = (SeekWhence)arguments.Whence;
        if (arguments.Offset > long.MaxValue || whence is not (SeekWhence.Data or SeekWhence.Hole))
        {
            return false;
        }

        Statistics.Lseeks++;
        _handlerHasNews = true;
        _handler.Lseek(request, file, (long)arguments.Offset, whence);
        return true;
    }
}
