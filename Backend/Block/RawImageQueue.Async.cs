using System.Diagnostics;
using RingCore.Posix;

namespace Backend.Block;

/// <content>What goes through the engine: the first call of a request, and what follows from each call's result.</content>
internal sealed unsafe partial class RawImageQueue
{
    /// <summary>EAGAIN is the kernel's passing shortage; a lasting one is an error.</summary>
    private const int MaxRetries = 1000;

    private const string Truncated = "the file ends before the disk does: it was truncated while in use";

    private void StartReadWrite(BlockRequest request, RawCall call, long done, ReadWriteFlags flags)
    {
        RawTransfer transfer = _transfers.Rent(request, RawPlan.Direct);
        transfer.Call = call;
        transfer.File = _file.File;
        transfer.Flags = flags;
        transfer.Done = done;
        if (_file.IsDirect)
        {
            FitDirect(transfer);
        }

        Continue(transfer);
    }

    /// <summary>
    /// Finds a way for direct I/O. A range that is not made of whole blocks of the medium goes through the page cache, which
    /// reads and modifies blocks; written there it must not linger: nothing else of this disk is cached. A range that is, in
    /// memory that is not aligned, is copied.
    /// </summary>
    private void FitDirect(RawTransfer transfer)
    {
        BlockRequest request = transfer.Request!;
        if (!_file.Alignment.FitsRange(request.Offset, request.Length))
        {
            transfer.File = _file.Buffered;
            transfer.Flags |= transfer.Call == RawCall.Write ? ReadWriteFlags.DataSync : ReadWriteFlags.None;
            _statistics.Bounced++;
        }
        else if (!_file.Alignment.FitsVectors(request.Vectors, request.VectorCount))
        {
            transfer.Plan = RawPlan.Bounced;
            transfer.Bounce = _buffers.Rent();
            _statistics.Bounced++;
        }
    }


    /// <summary>Aims the transfer at what is left of its request, and hands it to the engine.</summary>
    private void Continue(RawTransfer transfer)
    {
        BlockRequest request = transfer.Request!;
        long left = request.Length - transfer.Done;
        switch (transfer.Plan)
        {
            case RawPlan.Direct:
                transfer.AimAtRest();
                break;
            case RawPlan.Zero:
                AimZero(transfer);
                break;
            default:
                transfer.AimAt(transfer.Bounce, Math.Min(left, AlignedBuffers.BounceSize));
                if (transfer.Call == RawCall.Write)
                {
                    // The piece is no larger than the bounce buffer.
                    VectorSlice.Gather(request.Vectors, request.VectorCount, transfer.Done, transfer.Bounce, transfer.Length);
                }

                break;
        }

        Enqueue(transfer);
    }

    private void Enqueue(RawTransfer transfer)
    {
        _statistics.AsyncSubmissions++;
        _engine.Enqueue(transfer);
    }

    /// <summary>The engine's answer to one call.</summary>
    private void Finished(RawTransfer transfer)
    {
        if (transfer.Result is -Errno.EAGAIN or -Errno.EINTR && transfer.Retries++ < MaxRetries)
        {
            Enqueue(transfer);
            return;
        }

        switch (transfer.Call)
        {
            case RawCall.Allocate:
                FinishAllocate(transfer);
                break;
            case RawCall.DataSync:
                FinishSync(transfer);
                break;
            default:
                FinishReadWrite(transfer);
                break;
        }
    }

    private void FinishReadWrite(RawTransfer transfer)
    {
        long moved = transfer.Result;
        if (moved <= 0)
        {
            NoteLostData(transfer);

            // Nothing at all: the end of the file, before that of the disk. Zeroes would be invented data.
            Release(transfer, moved == 0 ? Errno.EIO : (int)-moved, moved == 0 ? Truncated : null);
            return;
        }

        BlockRequest request = transfer.Request!;
        if (moved < transfer.Length)
        {
            _statistics.ShortIos++;
            if (transfer.File == _file.File && _file.IsDirect)
            {
                moved &= -(long)_file.Alignment.Offset; // what follows must start at a block
                if (moved == 0)
                {
                    Release(transfer, Errno.EIO, Truncated);
                    return;
                }
            }
        }

        if (transfer is { Plan: RawPlan.Bounced, Call: RawCall.Read })
        {
            VectorSlice.Scatter(request.Vectors, request.VectorCount, transfer.Done, transfer.Bounce, moved);
        }

        Advance(transfer, moved);
    }

    /// <summary>So many bytes more are done; on with the rest, or with what follows all of them.</summary>
    private void Advance(RawTransfer transfer, long bytes)
    {
        transfer.Done += bytes;
        if (transfer.Done < transfer.Request!.Length)
        {
            Continue(transfer);
        }
        else if (transfer.SyncAfter)
        {
            StartSync(transfer);
        }
        else
        {
            Release(transfer, 0);
        }
    }

    private void Release(RawTransfer transfer, int error, string? detail = null)
    {
        BlockRequest request = transfer.Request!;
        if (transfer.Plan == RawPlan.Bounced)
        {
            _buffers.Return(transfer.Bounce);
        }

        Debug.Assert(error != 0 || transfer.Plan is RawPlan.Sync || transfer.Done == request.Length);
        _transfers.Return(transfer);
        Complete(request, error, detail);
    }
}
