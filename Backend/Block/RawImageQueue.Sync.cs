using RingCore.Posix;

namespace Backend.Block;

/// <content>
/// Flushes. A queue has one under way at a time, on a file description of its own: of two that ran at once the kernel would tell
/// only one about data that is lost. Those that come meanwhile share the next one.
/// </content>
internal sealed unsafe partial class RawImageQueue
{
    private bool _isSyncing;

    /// <summary>What the sync under way serves besides its own transfer, linked by Next.</summary>
    private RawTransfer? _sharing;

    /// <summary>What came too late for the sync under way, the latest first.</summary>
    private RawTransfer? _waitingForSync;

    /// <summary>
    /// A flush covers what completed before it, on any queue: fdatasync is for the whole file. Nothing is left to do where
    /// every write was stable when it completed, or where stable means nothing.
    /// </summary>
    private void Flush(BlockRequest request)
    {
        if (_file.FlushError != 0)
        {
            Complete(request, _file.FlushError);
        }
        else if (_file.Limits.IsReadOnly || _file.IsMemory || Writethrough)
        {
            CompleteInline(request, 0);
        }
        else
        {
            StartSync(_transfers.Rent(request, RawPlan.Sync));
        }
    }

    private void ReturnSyncFile()
    {
        if (_syncFile is not null)
        {
            _file.ReturnSyncFile(_syncFile);
        }
    }

    private void StartSync(RawTransfer transfer)
    {
        transfer.Plan = RawPlan.Sync;
        transfer.Call = RawCall.DataSync;
        transfer.File = _syncFile;
        if (_isSyncing)
        {
            transfer.Next = _waitingForSync;
            _waitingForSync = transfer;
            return;
        }

        _isSyncing = true;
        Enqueue(transfer);
    }

    private void FinishSync(RawTransfer transfer)
    {
        int error = (int)-transfer.Result;
        if (error != 0 && !_file.IsDirect)
        {
            _file.FlushError = error;
        }

        // What another sync has met meanwhile may be this one's data.
        error = error != 0 ? error : _file.FlushError;
        RawTransfer? sharing = _sharing;
        StartWaitingSync();
        Release(transfer, error);
        while (sharing is { } next)
        {
            sharing = next.Next;
            next.Next = null;
            Release(next, error);
        }
    }

    private void StartWaitingSync()
    {
        RawTransfer? first = _waitingForSync;
        _waitingForSync = null;
        _sharing = first?.Next;
        _isSyncing = first is not null;
        if (first is not null)
        {
            first.Next = null;
            Enqueue(first);
        }
    }

    /// <summary>
    /// A stable write that fails with EIO may have met, and used up, the report of a write-back error of another one, which
    /// completed: from now on every flush says so.
    /// </summary>
    private void NoteLostData(RawTransfer transfer)
    {
        if (transfer.Result == -Errno.EIO && (transfer.Flags & ReadWriteFlags.DataSync) != 0 && !_file.IsDirect)
        {
            _file.FlushError = Errno.EIO;
        }
    }
}
