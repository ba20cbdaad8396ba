using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>
/// Waits with polls of an io_uring(7). Those with <see cref="PollEvents.Edge"/> stay armed: each signal of the eventfd completes
/// them once more. All others are for one event. What fired is armed again by the next wait: one system call submits all of
/// these and what the ring's clients prepared, and waits; and since arming looks at the descriptor, the watch is level
/// triggered. A round that must not wait and has nothing to submit needs no system call at all.
/// </summary>
internal sealed partial class IoUringMonitor : IFdMonitor
{
    private const uint Entries = 128;
    private const uint LargeEntries = 256;
    private const int MaxTries = 1000;
    private const ulong CancelTag = ulong.MaxValue;

    private static readonly IoUringSetup[] Setups =
    [
        IoUringSetup.SubmitAll | IoUringSetup.SingleIssuer | IoUringSetup.DeferTaskRun | IoUringSetup.TaskRunFlag,
        IoUringSetup.SubmitAll | IoUringSetup.CoopTaskRun | IoUringSetup.TaskRunFlag,
        IoUringSetup.None,
    ];

    private readonly IoUring _ring;
    private readonly IFdEventSink _sink;
    private readonly AioRing _clients;
    private readonly FdNodeTable _nodes = new();
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private bool _hasMultishot = true;
    private FdNode? _armHead;

    internal IoUringMonitor(IFdEventSink sink, AioRing clients, bool largeEntries)
    {
        _sink = sink;
        _clients = clients;
        _ring = CreateRing(largeEntries);
    }

    public FdMonitorKind Kind => FdMonitorKind.IoUring;

    /// <summary>The ring accepts submissions of the thread that created it only.</summary>
    public bool CanRunHere => Environment.CurrentManagedThreadId == _thread;

    public bool HasWork => _ring.Unsubmitted != 0 || _ring.Completions != 0 || _ring.HasKernelWork;

    internal bool HasLargeEntries => (_ring.Setup & IoUringSetup.Sqe128) != 0;

    public void Wait(long timeoutNs)
    {
        bool everythingArmed = ArmQueued();
        if (timeoutNs != 0 && everythingArmed && !_clients.HasPending)
        {
            Enter(1, timeoutNs);
        }
        else if (_ring.Unsubmitted != 0 || _ring.HasKernelWork)
        {
            Enter(0, 0);
        }

        Reap();
    }

    public void Submit()
    {
        if (_ring.Unsubmitted != 0)
        {
            Enter(0, 0);
        }
    }

    public void Retire()
    {
        Reap();
        _clients.CancelInFlight();
    }

    public void Dispose() => _ring.Dispose();

    /// <summary>Asks the kernel to cancel what the client has in flight, and reaps what that yields.</summary>
    internal unsafe void CancelAll(RingClient client)
    {
        for (uint tag = 0; tag < client.Tags; tag++)
        {
            if (client.IsInFlight(tag))
            {
                IoUringSqe* sqe = GetSqe();
                sqe->PrepareCancel(_clients.UserDataOf(client, tag));
                sqe->UserData = CancelTag;
            }
        }

        SubmitAll();
        Enter(0, 0); // cancelled operations complete in deferred work
        Reap();
    }

    /// <summary>The next entry. Makes room by submitting, and reaps where the kernel wants that first.</summary>
    internal unsafe IoUringSqe* GetSqe()
    {
        for (int tries = 0; tries < MaxTries; tries++)
        {
            IoUringSqe* sqe = _ring.GetSqe();
            if (sqe != null)
            {
                return sqe;
            }

            Enter(0, 0);
            Reap();
        }

        throw new PosixException(Errno.EBUSY, "io_uring_enter");
    }

    private static IoUring CreateRing(bool largeEntries)
    {
        uint entries = largeEntries ? LargeEntries : Entries;
        IoUringSetup size = largeEntries ? IoUringSetup.Sqe128 : IoUringSetup.None;
        for (int i = 0; ; i++)
        {
            try
            {
                return new IoUring(entries, Setups[i] | size);
            }
            catch (PosixException e) when (e.Errno == Errno.EINVAL && (i + 1 < Setups.Length || largeEntries))
            {
                // An older kernel: the next set asks for less.
                if (i + 1 == Setups.Length)
                {
                    return CreateRing(largeEntries: false);
                }
            }
        }
    }

    private void Reap()
    {
        while (_ring.TryPeek(out IoUringCqe cqe))
        {
            _ring.Advance();
            if (AioRing.IsClients(cqe.UserData))
            {
                _clients.Reaped(cqe.UserData, cqe.Result);
            }
            else if (cqe.UserData != CancelTag)
            {
                Complete(_nodes[cqe.UserData], cqe);
            }
        }
    }

    // An entry left behind would name a descriptor that the owner is about to close.
    private void SubmitAll()
    {
        for (int tries = 0; _ring.Unsubmitted != 0; tries++)
        {
            if (tries == MaxTries)
            {
                throw new PosixException(Errno.EBUSY, "io_uring_enter");
            }

            Enter(0, 0);
            if (_ring.Unsubmitted != 0)
            {
                Reap();
            }
        }
    }

    private void Enter(uint minComplete, long timeoutNs)
    {
        int result = _ring.SubmitAndWait(minComplete, timeoutNs);

        // EAGAIN and EBUSY: short of memory or of completion entries; what is there is reaped, and the rest tried again.
        if (result < 0 && result is not (-Errno.EAGAIN or -Errno.EBUSY))
        {
            throw new PosixException(-result, "io_uring_enter");
        }
    }
}
