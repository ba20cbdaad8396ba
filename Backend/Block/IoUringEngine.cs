using System.Runtime.InteropServices;
using NLog;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// The engine over a ring of its own: one io_uring_enter starts a whole batch. Completions wake the queue's context through
/// an eventfd; a polling context sees them in shared memory before that. The ring knows the image's files and the memory that
/// requests use, where the kernel lets it (registered files and buffers): less to look up and to pin for each operation.
/// </summary>
internal sealed unsafe class IoUringEngine : IRawEngine
{
    private const uint Entries = 256;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();

    private readonly AioContext _context;
    private readonly RawTransferPool _transfers;
    private readonly BlockQueueStatistics _statistics;
    private readonly Action<RawTransfer> _finished;
    private readonly IoUring _ring;
    private readonly EventFd _wake = new();
    private readonly BottomHalf _reapSoon;
    private readonly bool _mayMute;
    private readonly RegisteredBuffers _buffers;
    private readonly FileDescriptor[] _files;

    // Enqueued and not yet in the ring, because it was full.
    private RawTransfer? _head;
    private RawTransfer? _tail;
    private uint _inKernel;
    private int _issuer;

    /// <summary>Any thread; the ring then belongs to the thread that submits first.</summary>
    /// <param name="files">What most transfers name. Stay the caller's; must hold no locks, see <see cref="Dispose"/>.</param>
    /// <exception cref="PosixException">No ring can be had: out of descriptors or memory, or forbidden.</exception>
    internal IoUringEngine(
        AioContext context,
        RawTransferPool transfers,
        BlockQueueStatistics statistics,
        Action<RawTransfer> finished,
        IEnumerable<FileDescriptor> files)
    {
        _context = context;
        _transfers = transfers;
        _statistics = statistics;
        _finished = finished;
        _reapSoon = context.CreateBottomHalf(Reap, "raw image ring");
        try
        {
            _ring = CreateRing();
            _mayMute = (_ring.Setup & IoUringSetup.DeferTaskRun) != 0
                && RuntimeInformation.ProcessArchitecture == Architecture.X64;
            _ring.RegisterEventFd(_wake.Descriptor);
            _files = Register([.. files]);
            _buffers = new RegisteredBuffers(_ring);

            // Read, not Notified: what a ring signals ends a multishot poll of another ring (EPOLL_URING_WAKE).
            context.SetFdHandler(_wake.Descriptor, new AioHandler { Read = Woken, Poll = HasCompletions, PollReady = Reap });
        }
        catch
        {
            _reapSoon.Dispose();
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
                break;
            }

            if (_issuer == 0)
            {
                _ring.Enable(); // here, since that makes this thread the ring's single issuer
                _issuer = ThreadScheduling.CurrentThreadId;
            }

            _statistics.Enters++;
            int submitted = Enter();
            if (submitted is 0 or -Errno.EAGAIN or -Errno.EBUSY)
            {
                // The kernel is short of memory, or wants completions reaped first. What is in the ring goes with the next round.
                _reapSoon.Schedule();
                return;
            }

            if (submitted < 0)
            {
                throw new PosixException(-submitted, "io_uring_enter");
            }
        }

        if (HasCompletions())
        {
            _reapSoon.Schedule(); // not here: who submits does not expect completions
        }
    }

    /// <inheritdoc/>
    public void UseMemory(GuestMemoryMap? memory) => _buffers.Use(memory);

    /// <remarks>
    /// A closed ring is torn down later, by a kernel worker, and keeps the files open till then: so they are taken out of it here,
    /// or who unmounts their file system next would find it busy. Also a killed process leaves them open for some milliseconds.
    /// </remarks>
    public void Dispose()
    {
        _context.SetFdHandler(_wake.Descriptor, null);
        _reapSoon.Dispose();
        if (_issuer == 0 || _issuer == ThreadScheduling.CurrentThreadId) // the ring takes it from nobody else
        {
            _buffers.Forget();
            if (_files.Length != 0 && _ring.UnregisterFiles() is < 0 and int error)
            {
                Log.Warn("files stay open for a while: {0}", Errno.Describe(-error));
            }
        }

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

    /// <summary>Registers the files, and returns those that the ring then knows: all or none.</summary>
    private FileDescriptor[] Register(FileDescriptor[] files)
    {
        try
        {
            _ring.RegisterFiles(files);
            return files;
        }
        catch (PosixException e)
        {
            Log.Debug("files are not registered: {0}", e.Message);
            return [];
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

        Fill(sqe, transfer);
        int index = Array.IndexOf(_files, transfer.File);
        if (index >= 0)
        {
            sqe->SetFixedFile(index);
        }

        sqe->UserData = (ulong)transfer.Index;
        _inKernel++;
        return true;
    }

    private void Fill(IoUringSqe* sqe, RawTransfer transfer)
    {
        // The vectors stay where they are until the transfer completes, and so does the memory behind them.
        FileDescriptor file = transfer.File!;
        IoVector* vectors = transfer.Vectors;
        uint count = (uint)transfer.VectorCount;
        ulong offset = (ulong)transfer.Offset;
        bool isOneVector = transfer is { Plan: RawPlan.Direct, Call: RawCall.Read or RawCall.Write, VectorCount: 1 };
        int buffer = isOneVector ? _buffers.Find(*vectors) : -1;
        _statistics.RegisteredIos += buffer >= 0 ? 1 : 0;
        switch (transfer.Call)
        {
            case RawCall.Read when buffer >= 0:
                sqe->PrepareReadFixed(file, vectors->Base, (uint)vectors->Length, offset, (ushort)buffer);
                break;
            case RawCall.Write when buffer >= 0:
                sqe->PrepareWriteFixed(
                    file, vectors->Base, (uint)vectors->Length, offset, (ushort)buffer, (uint)transfer.Flags);
                break;
            case RawCall.Read:
                sqe->PrepareReadV(file, vectors, count, offset);
                break;
            case RawCall.Write:
                sqe->PrepareWriteV(file, vectors, count, offset, (uint)transfer.Flags);
                break;
            case RawCall.DataSync:
                sqe->PrepareFSync(file, dataOnly: true);
                break;
            default:
                sqe->PrepareFAllocate(file, (int)transfer.Mode, offset, (ulong)transfer.Length);
                break;
        }
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
            Enter();
        }

        while (_ring.TryPeek(out IoUringCqe cqe))
        {
            _ring.Advance();
            _inKernel--;
            RawTransfer transfer = _transfers[(int)cqe.UserData];
            transfer.Result = cqe.Result;
            _finished(transfer);
        }

        // Continuations, and what had no room before. Looks for what has come meanwhile, too.
        Submit();
    }

    /// <summary>
    /// Submits, and has finished operations completed. For what that yields no signal is needed, which would wake the loop for
    /// nothing: <see cref="Submit"/>, which always comes last, looks.
    /// </summary>
    private int Enter()
    {
        if (!_mayMute)
        {
            return _ring.SubmitAndWait(0);
        }

        _ring.SignalsEventFd = false;
        int submitted = _ring.SubmitAndWait(0);
        _ring.SignalsEventFd = true;
        return submitted;
    }
}
