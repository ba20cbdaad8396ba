using Backend.Block;
using RingCore.Memory;
using RingCore.Virtio;

namespace Backend.Device;

/// <content>Reads and writes: neighbours of one batch become one I/O, the pending one, until something else comes.</content>
internal sealed partial class VirtioBlkQueue
{
    /// <summary>Largest I/O that merging makes; beyond it, requests go their own way and overlap better.</summary>
    private const long MaxMergedBytes = 256 * 1024;

    private BlkIo? _pending;

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
}
