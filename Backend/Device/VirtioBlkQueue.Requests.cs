using System.Buffers.Binary;
using Backend.Block;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Device;

/// <content>What a request asks for (virtio 1.3 §5.2.6).</content>
internal sealed unsafe partial class VirtioBlkQueue
{
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
}
