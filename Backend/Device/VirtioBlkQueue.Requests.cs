using System.Buffers.Binary;
using System.Diagnostics;
using Backend.Block;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>What a request asks for (virtio 1.3 §5.2.6), and how its answer gets back.</summary>
internal sealed unsafe partial class VirtioBlkQueue
{
    /// <summary>Largest I/O that merging makes; beyond it, requests go their own way and overlap better.</summary>
    private const long MaxMergedBytes = 256 * 1024;

    private BlkIo? _pending;

    /// <summary>Parses one chain and starts it. A chain that is no request at all breaks the queue.</summary>
    private void Begin(DescriptorChain chain)
    {
        GuestMemoryMap memory = _ring.Memory;
        Span<byte> headerBytes = stackalloc byte[BlkRequestHeader.Size];
        if (!chain.TryCopyReadable(memory, 0, headerBytes))
        {
            throw new RingException($"request header cut short: {chain.ReadableLength} of {BlkRequestHeader.Size} bytes are readable");
        }

        if (chain.WritableLength == 0)
        {
            throw new RingException("request without a status byte");
        }

        IoVector statusPiece = default;
        chain.Translate(memory, GuestAccess.Write, chain.WritableLength - 1, 1, new Span<IoVector>(ref statusPiece));

        VirtioBlkRequest request = TakeRequest();
        request.Head = chain.Head;
        request.Status = statusPiece.Base; // One byte, vouched for by Translate.
        request.Type = (BlkRequestType)BinaryPrimitives.ReadUInt32LittleEndian(headerBytes);
        request.Length = 0;
        request.Written = 1;
        try
        {
            Dispatch(request, chain, BinaryPrimitives.ReadUInt64LittleEndian(headerBytes[8..]));
        }
        catch (RingException)
        {
            // The chain leads outside guest memory: the queue breaks, and this request is never answered.
            ReturnRequest(request);
            throw;
        }
    }

    private void Dispatch(VirtioBlkRequest request, DescriptorChain chain, ulong sector)
    {
        switch (request.Type)
        {
            case BlkRequestType.In:
                BeginTransfer(request, BlockOperation.Read, sector, chain.WritableLength - 1, GuestAccess.Write, 0);
                break;
            case BlkRequestType.Out:
                ulong length = chain.ReadableLength - BlkRequestHeader.Size;
                BeginTransfer(request, BlockOperation.Write, sector, length, GuestAccess.Read, BlkRequestHeader.Size);
                break;
            case BlkRequestType.Flush:
                BeginSimple(request, BlockOperation.Flush, 0, 0, BlockRequestFlags.None);
                break;
            case BlkRequestType.GetId:
                BeginGetId(request, chain);
                break;
            case BlkRequestType.Discard:
            case BlkRequestType.WriteZeroes:
                BeginRange(request, chain);
                break;
            default:
                Finish(request, BlkStatus.Unsupported);
                break;
        }
    }

    private void BeginTransfer(
        VirtioBlkRequest request, BlockOperation operation, ulong sector, ulong length, GuestAccess access, ulong skip)
    {
        if (length > VirtioBlk.MaxTransferBytes || !_device.IsInside(sector, length)
            || (operation == BlockOperation.Write && _device.Driver.Limits.IsReadOnly))
        {
            Finish(request, BlkStatus.IoError);
            return;
        }

        if (length == 0)
        {
            Finish(request, BlkStatus.Ok);
            return;
        }

        request.Length = (long)length;
        if (operation == BlockOperation.Read)
        {
            request.Written = (uint)length + 1;
        }

        long offset = (long)(sector * BlkConfig.SectorSize);
        BlkIo io = JoinOrBegin(operation, offset, (long)length);
        int pieces;
        while ((pieces = _chain.Translate(_ring.Memory, access, skip, length, io.FreeVectors)) < 0)
        {
            if (io.TryGrow())
            {
                continue;
            }

            if (io.First == null)
            {
                Finish(request, BlkStatus.IoError); // More pieces than the kernel takes in one call.
                return;
            }

            SubmitPending();
            io = JoinOrBegin(operation, offset, (long)length);
        }

        io.Block.VectorCount += pieces;
        if (io.First != null)
        {
            io.Block.Length += (long)length;
            Counters.Merged++;
        }

        io.Append(request);
    }

    /// <summary>The pending I/O if this transfer continues it; else a new one, the old one submitted.</summary>
    private BlkIo JoinOrBegin(BlockOperation operation, long offset, long length)
    {
        // The driver may switch the write cache between two neighbours: each is as stable as it was then asked to be.
        BlockRequestFlags flags = WriteFlags(operation);
        if (_pending is { } pending)
        {
            BlockRequest block = pending.Block;
            if (pending.First == null)
            {
                pending.Begin(operation, offset, length, flags);
                return pending;
            }

            bool continues = block.Operation == operation
                && block.Flags == flags
                && block.Offset + block.Length == offset
                && block.Length + length <= MaxMergedBytes
                && _device.Config.RequestMerging
                && _block.TakesMerged;
            if (continues)
            {
                return pending;
            }

            SubmitPending();
        }

        BlkIo io = TakeIo();
        io.Begin(operation, offset, length, flags);
        _pending = io;
        return io;
    }

    /// <summary>With the write cache off each write is stable when it completes (§5.2.6.2).</summary>
    private BlockRequestFlags WriteFlags(BlockOperation operation) =>
        operation != BlockOperation.Read && !_device.IsWriteCacheOn ? BlockRequestFlags.ForceUnitAccess : BlockRequestFlags.None;

    private void BeginSimple(
        VirtioBlkRequest request,
        BlockOperation operation,
        long offset,
        long length,
        BlockRequestFlags flags,
        ReadOnlySpan<IoVector> pieces = default)
    {
        SubmitPending();
        BlkIo io = TakeIo();
        io.Begin(operation, offset, length, flags);
        while (io.FreeVectors.Length < pieces.Length && io.TryGrow())
        {
        }

        pieces.CopyTo(io.FreeVectors); // At most the 20 bytes of GET_ID, for which there is room now.
        io.Block.VectorCount = pieces.Length;
        io.Append(request);
        _block.Submit(io.Block);
    }

    private void BeginRange(VirtioBlkRequest request, DescriptorChain chain)
    {
        VirtioFeatures feature = request.Type == BlkRequestType.Discard ? VirtioFeatures.BlkDiscard : VirtioFeatures.BlkWriteZeroes;
        ulong length = chain.ReadableLength - BlkRequestHeader.Size;
        if ((_device.NegotiatedFeatures & feature) == 0)
        {
            Finish(request, BlkStatus.Unsupported);
            return;
        }

        // One range a request, as max_discard_seg and max_write_zeroes_seg say.
        Span<byte> bytes = stackalloc byte[BlkDiscardSegment.Size];
        if (length != BlkDiscardSegment.Size || !chain.TryCopyReadable(_ring.Memory, BlkRequestHeader.Size, bytes))
        {
            Finish(request, BlkStatus.IoError);
            return;
        }

        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        bool isDiscard = request.Type == BlkRequestType.Discard;
        uint knownFlags = isDiscard ? 0 : BlkDiscardSegment.FlagUnmap;
        if ((flags & ~knownFlags) != 0)
        {
            Finish(request, BlkStatus.Unsupported);
            return;
        }

        uint most = isDiscard ? _device.Config.MaxDiscardSectors : _device.Config.MaxWriteZeroesSectors;
        ulong byteCount = (ulong)count * BlkConfig.SectorSize;
        if (count > most || !_device.IsInside(sector, byteCount) || _device.Driver.Limits.IsReadOnly)
        {
            Finish(request, BlkStatus.IoError);
            return;
        }

        request.Length = (long)byteCount;
        BlockOperation operation = isDiscard ? BlockOperation.Discard : BlockOperation.WriteZeroes;
        BlockRequestFlags blockFlags = WriteFlags(operation)
            | ((flags & BlkDiscardSegment.FlagUnmap) != 0 ? BlockRequestFlags.MayUnmap : 0);
        BeginSimple(request, operation, (long)(sector * BlkConfig.SectorSize), (long)byteCount, blockFlags);
    }

    private void BeginGetId(VirtioBlkRequest request, DescriptorChain chain)
    {
        ReadOnlySpan<byte> id = _device.SerialBytes;
        int length = (int)Math.Min(chain.WritableLength - 1, (ulong)id.Length);
        Span<IoVector> pieces = stackalloc IoVector[BlkConfig.IdLength];
        int count = chain.Translate(_ring.Memory, GuestAccess.Write, 0, (ulong)length, pieces);
        int done = 0;
        for (int i = 0; i < count; i++)
        {
            // Translate vouches for Length bytes at Base; their sum is length.
            int part = (int)pieces[i].Length;
            id.Slice(done, part).CopyTo(new Span<byte>(pieces[i].Base, part));
            done += part;
        }

        request.Written = (uint)done + 1;
        request.Length = done;
        if (!_block.TakesGetId)
        {
            Finish(request, BlkStatus.Ok);
            return;
        }

        BeginSimple(request, BlockOperation.GetId, 0, done, BlockRequestFlags.None, pieces[..count]);
    }

    private void SubmitPending()
    {
        if (_pending is not { } io)
        {
            return;
        }

        _pending = null;
        if (io.First == null)
        {
            ReturnIo(io);
            return;
        }

        _block.Submit(io.Block);
    }

    private void OnIoCompleted(BlockRequest block)
    {
        BlkIo io = (BlkIo)block.Owner!;
        BlkStatus status = block.Error switch
        {
            0 => BlkStatus.Ok,
            Errno.EOPNOTSUPP => BlkStatus.Unsupported,
            _ => BlkStatus.IoError,
        };
        VirtioBlkRequest? request = io.First;
        ReturnIo(io);
        while (request != null)
        {
            VirtioBlkRequest? next = request.Next; // Finish re-uses the link.
            Finish(request, status);
            request = next;
        }
    }

    private void Finish(VirtioBlkRequest request, BlkStatus status)
    {
        *request.Status = (byte)status; // One mapped byte: see Begin.

        // After a failed read the length that is certainly written is unknown: none is claimed (§2.7.8.2).
        uint written = status == BlkStatus.Ok ? request.Written : request.Written > 1 ? 0 : 1u;
        if (_queue.Faults is { } faults)
        {
            ReturnThroughFaults(faults, request.Head, written);
        }
        else
        {
            _ring.Push(request.Head, written);
        }

        Counters.Count(request.Type, request.Length, Stopwatch.GetTimestamp() - request.Started, status);
        _notifyPending = true;
        _bytesToNotify += request.Length;
        if (_bytesToNotify >= NotifyEveryBytes)
        {
            NotifyIfPending();
        }

        ReturnRequest(request);
    }
}
