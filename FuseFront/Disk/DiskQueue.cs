using System.Diagnostics;
using FuseFront.Driver;
using FuseFront.Fuse;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <summary>
/// Turns file operations on the disk into virtio-blk requests, for one queue: any byte offset and length becomes whole
/// logical blocks. An operation stays in its slot from the first request to the answer. Queue's thread, but for
/// <see cref="Statistics"/>.
/// </summary>
internal sealed unsafe partial class DiskQueue : IBlkCompletion, IFuseDataHandler
{
    private const int SectorSize = BlkConfig.SectorSize;

    private readonly DiskGeometry _disk;
    private readonly int _blockSize; // the device takes nothing smaller
    private readonly long _blockMask;
    private readonly int _index;
    private readonly RangeGate _gate;
    private readonly SlotOperation[] _slots;
    private bool _refusesWaiters;
    private BlkQueue? _driver;
    private FuseChannel? _channel;

    public DiskQueue(DiskGeometry disk, int index, int slots, RangeGate gate)
    {
        _disk = disk;
        _blockSize = (int)disk.BlockSize;
        _blockMask = _blockSize - 1;
        _index = index;
        _gate = gate;
        _slots = new SlotOperation[slots];
    }

    public DiskStatistics Statistics { get; } = new();

    private BlkQueue Driver => _driver!;

    private FuseChannel Channel => _channel!;

    /// <summary>Connects the queue with what is below and above it; once, before the first operation.</summary>
    public void Connect(BlkQueue driver, FuseChannel channel)
    {
        _driver = driver;
        _channel = channel;
    }

    /// <inheritdoc/>
    public void Read(in FuseRequest request, FuseFile file, long offset, int size)
    {
        int slot = request.Slot;
        ref SlotOperation op = ref Begin(slot, SlotKind.Read, offset, Clip(offset, size));
        if (op.Length == 0)
        {
            Statistics.Count(SlotKind.Read, 0, 0);
            op.Step = SlotStep.Idle;
            Channel.ReplyRead(slot, Driver.Payload(slot), 0);
            return;
        }

        op.Step = SlotStep.Read;
        TransferWhole(slot, op, isWrite: false);
    }

    /// <inheritdoc/>
    public void Write(in FuseRequest request, FuseFile file, long offset, int size, FuseWriteFlags flags)
    {
        int slot = request.Slot;
        long length = Clip(offset, size);
        if (_disk.IsReadOnly || (length == 0 && size > 0))
        {
            // A device node's answer to a write at its end; one that begins inside is short.
            Channel.ReplyError(slot, _disk.IsReadOnly ? Errno.EROFS : Errno.ENOSPC);
            return;
        }

        ref SlotOperation op = ref Begin(slot, SlotKind.Write, offset, length);
        op.IsStable = (flags & FuseWriteFlags.Stable) != 0 && _disk.CanFlush;
        if (length == 0)
        {
            Finish(slot, ref op, 0);
            return;
        }

        if (IsAligned(op.Offset) && IsAligned(op.End))
        {
            op.HoldsShared = true;
            op.Step = SlotStep.Write;
            if (_gate.TryEnterShared(_index, slot, op.Offset, op.End))
            {
                TransferWhole(slot, op, isWrite: true);
            }

            return;
        }

        EnterExclusive(slot, ref op);
    }

    /// <inheritdoc/>
    public void Fsync(in FuseRequest request, FuseFile file, bool dataOnly)
    {
        int slot = request.Slot;
        ref SlotOperation op = ref Begin(slot, SlotKind.Flush, 0, 0);
        if (!_disk.CanFlush)
        {
            Finish(slot, ref op, 0);
            return;
        }

        op.Step = SlotStep.Flush;
        Driver.Flush(slot);
    }

    /// <summary>
    /// Punching a hole deallocates, zeroing a range does not; both read as zeros afterwards. Allocating ahead is not in
    /// virtio-blk's power.
    /// </summary>
    public void Fallocate(in FuseRequest request, FuseFile file, FallocateMode mode, long offset, long length)
    {
        bool grows = (mode & FallocateMode.KeepSize) == 0 && offset + length > _disk.Length;
        if (grows)
        {
            Channel.ReplyError(request.Slot, Errno.ENOSPC);
        }
        else if ((mode & FallocateMode.PunchHole) != 0)
        {
            BeginZeroing(request.Slot, SlotKind.PunchHole, offset, length);
        }
        else if ((mode & FallocateMode.ZeroRange) != 0)
        {
            BeginZeroing(request.Slot, SlotKind.ZeroRange, offset, length);
        }
        else
        {
            Channel.ReplyError(request.Slot, Errno.EOPNOTSUPP);
        }
    }

    /// <summary>A disk cannot tell where its holes are: all of it is data.</summary>
    public void Lseek(in FuseRequest request, FuseFile file, long offset, SeekWhence whence)
    {
        if (offset >= _disk.Length)
        {
            Channel.ReplyError(request.Slot, Errno.ENXIO);
        }
        else
        {
            Channel.ReplyLseek(request.Slot, whence == SeekWhence.Data ? offset : _disk.Length);
        }
    }

    /// <summary>A batch has been received: the device sees it at once.</summary>
    public void Submit()
    {
        Driver.Submit();
        if (Driver.HasFailed)
        {
            Driver.Complete(); // Answers what could not be submitted.
        }
    }

    /// <summary>The device has completed requests, or is gone: answers them, and submits what follows from them.</summary>
    /// <exception cref="RingException">The device broke a rule.</exception>
    public void Complete()
    {
        Driver.Complete();
        Submit();
    }

    /// <summary>
    /// Takes an operation back that still waits at the gate. False when it has reached the device: a disk's I/O cannot be
    /// interrupted, it is answered when it ends.
    /// </summary>
    public bool TryCancel(int slot)
    {
        ref SlotOperation op = ref _slots[slot];
        if (op.Step == SlotStep.Idle || !_gate.TryCancel(_index, slot))
        {
            return false;
        }

        op.Step = SlotStep.Idle; // The channel answers.
        return true;
    }

    /// <summary>The disk is closed over what it gave up: nothing goes to the device any more that has only waited at the gate.</summary>
    public void RefuseWaiters() => _refusesWaiters = true;

    /// <summary>The gate has let a waiting operation in.</summary>
    public void Granted(int slot)
    {
        ref SlotOperation op = ref _slots[slot];
        if (_refusesWaiters)
        {
            Finish(slot, ref op, Errno.EIO);
        }
        else if (op.HoldsShared)
        {
            TransferWhole(slot, op, isWrite: true);
        }
        else
        {
            StartExclusive(slot, ref op);
        }

        Submit();
    }

    /// <inheritdoc/>
    public void Completed(int slot, BlkStatus status)
    {
        ref SlotOperation op = ref _slots[slot];
        if (op.Step == SlotStep.Idle)
        {
            return; // A request of the driver's own, before or after service (BlkDriver.ReadSerial).
        }

        if (status != BlkStatus.Ok)
        {
            Finish(slot, ref op, status == BlkStatus.Unsupported ? Errno.EOPNOTSUPP : Errno.EIO);
            return;
        }

        switch (op.Step)
        {
            case SlotStep.ReadFirstBlock:
                AfterFirstBlock(slot, ref op);
                break;
            case SlotStep.ReadLastBlock:
                WriteMerged(slot, ref op);
                break;
            case SlotStep.WriteMerged when op.Kind != SlotKind.Write:
            case SlotStep.WriteZeroes:
                op.Done += op.Piece;
                ZeroNext(slot, ref op);
                break;
            case SlotStep.Write or SlotStep.WriteMerged when op.IsStable:
                op.Step = SlotStep.Flush;
                Driver.Flush(slot);
                break;
            case SlotStep.Discard:
                ZeroPiece(slot, ref op);
                break;
            default:
                Finish(slot, ref op, 0);
                break;
        }
    }

    private bool IsAligned(long offset) => (offset & _blockMask) == 0;

    private long BlockDown(long offset) => offset & ~_blockMask;

    private long BlockUp(long offset) => (offset + _blockMask) & ~_blockMask;

    private long Clip(long offset, long size) => offset >= _disk.Length ? 0 : Math.Min(size, _disk.Length - offset);

    private ref SlotOperation Begin(int slot, SlotKind kind, long offset, long length)
    {
        ref SlotOperation op = ref _slots[slot];
        op = new SlotOperation { Kind = kind, Offset = offset, Length = length, Started = Stopwatch.GetTimestamp() };
        return ref op;
    }

    /// <summary>
    /// Moves the blocks that cover the operation. The payload's first byte is the operation's: what precedes it in its
    /// block lies in the room before the payload, so nothing is copied whatever the offset.
    /// </summary>
    private void TransferWhole(int slot, in SlotOperation op, bool isWrite)
    {
        long start = BlockDown(op.Offset);
        byte* data = Driver.Payload(slot) - (op.Offset - start); // Less than a block before the payload: inside the slot.
        uint length = (uint)(BlockUp(op.End) - start);
        if (isWrite)
        {
            Driver.Write(slot, start / SectorSize, data, length);
        }
        else
        {
            Driver.Read(slot, start / SectorSize, data, length);
        }
    }

    private void EnterExclusive(int slot, ref SlotOperation op)
    {
        op.HoldsExclusive = true;
        op.Step = SlotStep.ReadFirstBlock;
        if (_gate.TryEnterExclusive(_index, slot, BlockDown(op.Offset), BlockUp(op.End)))
        {
            StartExclusive(slot, ref op);
        }
    }

    private void StartExclusive(int slot, ref SlotOperation op)
    {
        if (op.Kind == SlotKind.Write)
        {
            op.Piece = op.Length;
            FetchEnds(slot, ref op);
        }
        else
        {
            ZeroNext(slot, ref op);
        }
    }

    /// <summary>Start and end in bytes of the piece that is being merged and written.</summary>
    private static (long Start, long End) PieceOf(in SlotOperation op) => (op.Offset + op.Done, op.Offset + op.Done + op.Piece);

    private void FetchEnds(int slot, ref SlotOperation op)
    {
        (long start, long end) = PieceOf(op);
        if (!IsAligned(start))
        {
            op.Step = SlotStep.ReadFirstBlock;
            Driver.Read(slot, BlockDown(start) / SectorSize, Driver.FirstBlock(slot), (uint)_blockSize);
        }
        else
        {
            op.Step = SlotStep.ReadLastBlock;
            Driver.Read(slot, BlockDown(end) / SectorSize, Driver.LastBlock(slot), (uint)_blockSize);
        }
    }

    private void AfterFirstBlock(int slot, ref SlotOperation op)
    {
        (long start, long end) = PieceOf(op);
        if (IsAligned(end))
        {
            WriteMerged(slot, ref op);
        }
        else if (BlockDown(end) == BlockDown(start))
        {
            new ReadOnlySpan<byte>(Driver.FirstBlock(slot), _blockSize).CopyTo(new Span<byte>(Driver.LastBlock(slot), _blockSize));
            WriteMerged(slot, ref op);
        }
        else
        {
            op.Step = SlotStep.ReadLastBlock;
            Driver.Read(slot, BlockDown(end) / SectorSize, Driver.LastBlock(slot), (uint)_blockSize);
        }
    }

    /// <summary>Completes the first and the last block around the payload with what the disk holds, and writes the whole.</summary>
    private void WriteMerged(int slot, ref SlotOperation op)
    {
        (long start, long end) = PieceOf(op);
        byte* payload = Driver.Payload(slot);
        int before = (int)(start - BlockDown(start));
        int after = (int)(BlockUp(end) - end);

        // Both ends are less than a block, and the slot has a block's room on both sides of MaxTransfer bytes.
        new ReadOnlySpan<byte>(Driver.FirstBlock(slot), before).CopyTo(new Span<byte>(payload - before, before));
        new ReadOnlySpan<byte>(Driver.LastBlock(slot) + _blockSize - after, after)
            .CopyTo(new Span<byte>(payload + op.Piece, after));
        op.Step = SlotStep.WriteMerged;
        Driver.Write(slot, BlockDown(start) / SectorSize, payload - before, (uint)(BlockUp(end) - BlockDown(start)));
    }

    private void Finish(int slot, ref SlotOperation op, int errno)
    {
        if (op.HoldsShared)
        {
            _gate.LeaveShared(_index, slot);
        }
        else if (op.HoldsExclusive)
        {
            _gate.LeaveExclusive(_index, slot);
        }

        op.Step = SlotStep.Idle;
        Statistics.Count(op.Kind, op.Length, Stopwatch.GetTimestamp() - op.Started);
        if (errno != 0)
        {
            Statistics.Errors++;
            Channel.ReplyError(slot, errno);
        }
        else if (op.Kind == SlotKind.Read)
        {
            Channel.ReplyRead(slot, Driver.Payload(slot), (int)op.Length);
        }
        else if (op.Kind == SlotKind.Write)
        {
            Channel.ReplyWritten(slot, (int)op.Length);
        }
        else
        {
            Channel.ReplyEmpty(slot);
        }
    }
}
