using RingCore.Aio;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// The engine over a ring of its own: one io_uring_enter starts a whole batch. Completions wake the queue's context through
/// an eventfd; a polling context sees them in shared memory before that.
/// </summary>
internal sealed unsafe class IoUringEngine : IRawEngine
{
    private const uint Entries = 256;

    private readonly AioContext _context;
    private readonly RawTransferPool _transfers;
    private readonly BlockQueueStatistics _statistics;
    private readonly Action<RawTransfer> _finished;
    private readonly IoUring _ring;
    private readonly EventFd _wake;

    // Enqueued and not yet in the ring, because it was full.
    private RawTransfer? _head;
    private RawTransfer? _tail;
    private uint _inKernel;
    private bool _enabled;

    /// <summary>Any thread; the ring then belongs to the thread that submits first.</summary>
    /// <exception cref="PosixException">No ring can be had: out of descriptors or memory, or forbidden.</exception>
    internal IoUringEngine(
        AioContext context, RawTransferPool transfers, BlockQueueStatistics statistics, Action<RawTransfer> finished)
    {
        _context = context;
        _transfers = transfers;
        _statistics = statistics;
        _finished = finished;
        _wake = new EventFd();
        try
        {
            _ring = CreateRing();
            _ring.RegisterEventFd(_wake.Descriptor);
            context.SetFdHandler(_wake.Descriptor, new AioHandler { Read = Woken, Poll = HasCompletions, PollReady = Reap });
        }
        catch
        {
            _ring?.Dispose();
            _wake.Dispose();
            throw;
        }
    }

    public void Enqueue(RawTransfer transfer)
    {
        // Behind those that wait already, if any.
        if (_head is not null || !Prepare(transfer))
        {
            Wait(transfer);
        }
    }

    public void Submit()
    {
        while (true)
        {
            Refill();
            if (_ring.Unsubmitted == 0)
            {
                return;
            }

            if (!_enabled)
            {
                _ring.Enable(); // here, since that makes this thread the ring's single issuer
                _enabled = true;
            }

            _statistics.Enters++;
            int submitted = _ring.SubmitAndWait(0);
            if (submitted is 0 or -Errno.EAGAIN or -Errno.EBUSY)
            {
                // The kernel is short of memory, or wants completions reaped first. What is in the ring goes with the next
                // round, which our own signal brings about.
                _wake.Signal();
                return;
            }

            if (submitted < 0)
            {
                throw new PosixException(-submitted, "io_uring_enter");
            }
        }
    }

    public void Dispose()
    {
        _context.SetFdHandler(_wake.Descriptor, null);
        _ring.Dispose();
        _wake.Dispose();
    }

    private static IoUring CreateRing()
    {
        try
        {
            const IoUringSetup oneThread = IoUringSetup.SingleIssuer | IoUringSetup.DeferTaskRun | IoUringSetup.TaskRunFlag;
            return new IoUring(Entries, IoUringSetup.Disabled | IoUringSetup.SubmitAll | oneThread);
        }
        catch (PosixException e) when (e.Errno == Errno.EINVAL)
        {
            return new IoUring(Entries, IoUringSetup.Disabled); // before Linux 6.1
        }
    }

    /// <summary>Puts the call into the ring; false when there is no room, for it or for its completion.</summary>
    private bool Prepare(RawTransfer transfer)
    {
        if (_inKernel >= _ring.CompletionEntries)
        {
            return false;
        }

        IoUringSqe* sqe = _ring.GetSqe();
        if (sqe == null)
        {
            return false;
        }

        // The vectors stay where they are until the transfer completes, and so does the memory behind them.
        FileDescriptor file = transfer.File!;
        switch (transfer.Call)
        {
            case RawCall.Read:
                sqe->PrepareReadV(file, transfer.Vectors, (uint)transfer.VectorCount, (ulong)transfer.Offset);
                break;
            case RawCall.Write:
                sqe->PrepareWriteV(
                    file, transfer.Vectors, (uint)transfer.VectorCount, (ulong)transfer.Offset, (uint)transfer.Flags);
                break;
            case RawCall.DataSync:
                sqe->PrepareFSync(file, dataOnly: true);
                break;
            default:
                sqe->PrepareFAllocate(file, (int)transfer.Mode, (ulong)transfer.Offset, (ulong)transfer.Length);
                break;
        }

        sqe->UserData = (ulong)transfer.Index;
        _inKernel++;
        return true;
    }

    private void Wait(RawTransfer transfer)
    {
        transfer.Next = null;
        if (_tail is null)
        {
            _head = transfer;
        }
        else
        {
            _tail.Next = transfer;
        }

        _tail = transfer;
    }

    /// <summary>Moves what waits into the ring, as far as it has room.</summary>
    private void Refill()
    {
        while (_head is { } transfer && Prepare(transfer))
        {
            _head = transfer.Next;
            transfer.Next = null;
            if (_head is null)
            {
                _tail = null;
            }
        }
    }

    private bool HasCompletions() => _ring.Completions != 0 || _ring.HasKernelWork;

    private void Woken()
    {
        _wake.TestAndClear();
        Reap();
    }

    private void Reap()
    {
        if (_ring.HasKernelWork)
        {
            _ring.FlushCompletions();
        }

        while (_ring.TryPeek(out IoUringCqe cqe))
        {
            _ring.Advance();
            _inKernel--;
            RawTransfer transfer = _transfers[(int)cqe.UserData];
            transfer.Result = cqe.Result;
            _finished(transfer);
        }

        // Continuations, and what had no room before.
        Submit();
    }
}
