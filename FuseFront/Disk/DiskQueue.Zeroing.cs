using RingCore.Posix;

namespace FuseFront.Disk;

/// <summary>Holes and zeros: fallocate(2) as DISCARD and WRITE_ZEROES requests, one piece after another in the same slot.</summary>
internal sealed unsafe partial class DiskQueue
{
    private void BeginZeroing(int slot, SlotKind kind, long offset, long length)
    {
        if (_disk.IsReadOnly)
        {
            Channel.ReplyError(slot, Errno.EROFS);
            return;
        }

        if (!_disk.CanWriteZeroes)
        {
            Channel.ReplyError(slot, Errno.EOPNOTSUPP);
            return;
        }

        ref SlotOperation op = ref Begin(slot, kind, offset, Clip(offset, length));
        if (op.Length == 0)
        {
            Finish(slot, ref op, 0);
            return;
        }

        // Several requests one after another: nobody may write between them where a block is put together.
        EnterExclusive(slot, ref op);
    }

    /// <summary>The next piece: a ragged end is merged like an unaligned write of zeros, whole blocks go as ranges.</summary>
    private void ZeroNext(int slot, ref SlotOperation op)
    {
        long at = op.Offset + op.Done;
        long left = op.Length - op.Done;
        if (left == 0)
        {
            Finish(slot, ref op, 0);
            return;
        }

        if (!IsAligned(at) || left < _blockSize)
        {
            op.Piece = Math.Min(left, BlockDown(at) + _blockSize - at);
            new Span<byte>(Driver.Payload(slot), (int)op.Piece).Clear(); // Less than a block.
            FetchEnds(slot, ref op);
            return;
        }

        bool discard = op.Kind == SlotKind.PunchHole && _disk.MaxDiscardSectors > 0;
        uint most = discard ? Math.Min(_disk.MaxDiscardSectors, _disk.MaxWriteZeroesSectors) : _disk.MaxWriteZeroesSectors;
        op.Piece = Math.Min(BlockDown(left), most * (long)SectorSize); // Whole blocks: see DiskGeometry.
        if (discard)
        {
            op.Step = SlotStep.Discard;
            Driver.Discard(slot, at / SectorSize, (uint)(op.Piece / SectorSize));
        }
        else
        {
            ZeroPiece(slot, ref op);
        }
    }

    /// <summary>
    /// DISCARD gives blocks back but promises nothing about what is read afterwards (virtio 1.3 §5.2.6.2); a hole must read
    /// as zeros, so WRITE_ZEROES follows. On blocks that are gone already it costs the device next to nothing.
    /// </summary>
    private void ZeroPiece(int slot, ref SlotOperation op)
    {
        op.Step = SlotStep.WriteZeroes;
        Driver.WriteZeroes(
            slot, (op.Offset + op.Done) / SectorSize, (uint)(op.Piece / SectorSize), mayUnmap: op.Kind == SlotKind.PunchHole);
    }
}
