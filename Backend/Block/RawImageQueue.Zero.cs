using RingCore.Posix;

namespace Backend.Block;

/// <content>Discard and write-zeroes: deallocation where the file system has it, zeroes written where it has not.</content>
internal sealed unsafe partial class RawImageQueue
{
    private const AllocateMode Punch = AllocateMode.PunchHole | AllocateMode.KeepSize;
    private const AllocateMode ZeroRange = AllocateMode.ZeroRange | AllocateMode.KeepSize;

    private void WriteZeroes(BlockRequest request)
    {
        bool punch = (request.Flags & BlockRequestFlags.MayUnmap) != 0 && _file.CanPunch;
        StartZero(request, punch ? Punch : ZeroRange);
    }

    private void StartZero(BlockRequest request, AllocateMode mode)
    {
        if (request.Length == 0)
        {
            CompleteInline(request, 0); // to fallocate an error
            return;
        }

        RawTransfer transfer = _transfers.Rent(request, RawPlan.Zero);
        transfer.SyncAfter = NeedsSync(request);
        transfer.Mode = mode;
        FindHole(transfer);
        Continue(transfer);
    }

    /// <summary>Deallocation counts as a write: with the write cache off it, too, is stable when it completes.</summary>
    private bool NeedsSync(BlockRequest request) =>
        !_file.IsMemory && (Writethrough || (request.Flags & BlockRequestFlags.ForceUnitAccess) != 0);

    /// <summary>The whole blocks within the request, if the mode is one that the file system has.</summary>
    private void FindHole(RawTransfer transfer)
    {
        BlockRequest request = transfer.Request!;
        long mask = _file.AllocateAlignment - 1;
        long start = ((request.Offset + mask) & ~mask) - request.Offset;
        long end = ((request.Offset + request.Length) & ~mask) - request.Offset;
        bool usable = start < end && (transfer.Mode == Punch ? _file.CanPunch : _file.CanZeroRange);
        transfer.HoleStart = usable ? start : 0;
        transfer.HoleEnd = usable ? end : 0;
    }

    /// <summary>The next call: the hole, or a piece of what lies before or behind it.</summary>
    private void AimZero(RawTransfer transfer)
    {
        transfer.File = _file.File;
        transfer.Flags = ReadWriteFlags.None;
        if (transfer.Done >= transfer.HoleStart && transfer.Done < transfer.HoleEnd)
        {
            transfer.File = _file.Claim;
            transfer.Call = RawCall.Allocate;
            transfer.AimAtHole();
            return;
        }

        long end = transfer.Done < transfer.HoleStart ? transfer.HoleStart : transfer.Request!.Length;
        transfer.Call = RawCall.Write;
        transfer.AimAtRepeated(_buffers.Zeroes, AlignedBuffers.ZeroSize, end - transfer.Done);
        if (_file.IsDirect && !_file.Alignment.FitsRange(transfer.Offset, transfer.Length))
        {
            transfer.File = _file.Buffered; // as in FitDirect
            transfer.Flags = ReadWriteFlags.DataSync;
        }
    }

    private void FinishAllocate(RawTransfer transfer)
    {
        int error = (int)-transfer.Result;
        if (error == 0)
        {
            Advance(transfer, transfer.HoleEnd - transfer.Done);
            return;
        }

        if (error != Errno.EOPNOTSUPP)
        {
            Release(transfer, error);
            return;
        }

        if (transfer.Mode == Punch)
        {
            _file.CanPunch = false;
            if (transfer.Request!.Operation == BlockOperation.Discard)
            {
                Release(transfer, error);
                return;
            }
        }
        else
        {
            _file.CanZeroRange = false;
        }

        // A hole was allowed, not demanded; and what cannot be zeroed either is written.
        transfer.Mode = ZeroRange;
        FindHole(transfer);
        Continue(transfer);
    }
}
