using System.Runtime.ExceptionServices;
using Backend.Block;
using RingCore.Aio;
using RingCore.Hosting;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>
/// Starts and stops request processing: binds doorbells and interrupts to event notifiers, hooks each queue to its
/// context, and takes all of that back in reverse. Every public member runs on the server's thread. Where notifiers cannot
/// be bound the data plane is disabled, and the device serves every queue through the main loop instead.
/// </summary>
public sealed partial class VirtioBlkDataPlane
{
    /// <summary>Long for a round of a loop.</summary>
    private static readonly TimeSpan StuckAfter = TimeSpan.FromMilliseconds(100);

    private readonly VirtioBlk _device;
    private readonly VirtioBus _bus;
    private readonly AioContext _mainContext;
    private readonly IReadOnlyList<IoThread> _ioThreads;
    private readonly IoThreadPlacement _placement;
    private readonly List<VirtioBlkQueue> _running = [];
    private readonly Dictionary<AioContext, GuestNotifyBatch> _batches = [];
    private readonly BlkQueueCounters?[] _counters;
    private readonly Queue<Action> _waiting = [];
    private int _guestNotifiers;
    private bool _isSettling;

    /// <exception cref="UserErrorException">An IOThread is wanted on a transport without guest notifiers or ioeventfds.</exception>
    internal VirtioBlkDataPlane(VirtioBlk device, IVirtioTransport transport, AioContext mainContext, IReadOnlyList<IoThread> ioThreads)
    {
        if (ioThreads.Count > 0 && !transport.HasGuestNotifiers)
        {
            throw new UserErrorException("an IOThread needs a transport with guest notifiers; run with --iothreads 0");
        }

        if (ioThreads.Count > 0 && !transport.HasIoEventFds)
        {
            throw new UserErrorException("an IOThread needs a transport with ioeventfds; run with --iothreads 0");
        }

        _device = device;
        _bus = new VirtioBus(transport);
        _mainContext = mainContext;
        _ioThreads = ioThreads;
        _placement = new IoThreadPlacement(ioThreads, device.Queues.Count, device.Config.PollMaxNs);
        _counters = new BlkQueueCounters?[device.Queues.Count];
    }

    public IVirtioTransport Transport => _bus.Transport;

    /// <summary>Requests are being processed, by the data plane or, when it is disabled, by the main loop.</summary>
    public bool IsStarted { get; private set; }

    /// <summary>Binding the notifiers failed at the last start: queues are served by the main loop until the next start.</summary>
    public bool IsDisabled { get; private set; }

    /// <summary>Notifications are batched by a bottom half: exactly when EVENT_IDX was not negotiated.</summary>
    public bool BatchNotifications { get; private set; }

    /// <summary>Running queues, for statistics.</summary>
    internal IReadOnlyList<VirtioBlkQueue> Running => _running;

    /// <summary>
    /// The driver wrote DRIVER_OK. Idempotent. A queue whose ring is no good, or which cannot be opened, sets
    /// DEVICE_NEEDS_RESET and is left out.
    /// </summary>
    public void Start()
    {
        if (IsStarted)
        {
            return;
        }

        BatchNotifications = (_device.NegotiatedFeatures & VirtioFeatures.EventIndex) == 0;
        List<VirtQueue> queues = CreateRings(_device.Queues.Where(q => q.Enabled));
        IsDisabled = !TryBindNotifiers(queues);
        _guestNotifiers = IsDisabled ? 0 : queues.Count;
        IsStarted = true;
        _running.AddRange(queues.Select(CreateQueue).OfType<VirtioBlkQueue>());
        _running.ForEach(Serve);
        VirtioBlk.Log.Info(
            "data plane {0}: {1} queues on {2}, features {3}",
            IsDisabled ? "disabled, served by the main loop" : "started",
            _running.Count,
            _ioThreads.Count == 0 || IsDisabled ? "the main loop" : $"{_ioThreads.Count} IOThreads",
            _device.NegotiatedFeatures);
    }

    /// <summary>
    /// Unhooks the doorbells, waits until no request is in flight, and unbinds everything in reverse. Idempotent. Every
    /// request that was taken has been answered once when this returns.
    /// </summary>
    public void Stop()
    {
        if (!IsStarted)
        {
            return;
        }

        Settle(() =>
        {
            StopServing(_running);
            foreach ((AioContext context, GuestNotifyBatch batch) in _batches)
            {
                RunOn(context, batch.Dispose);
            }

            _batches.Clear();
            if (!IsDisabled)
            {
                Transport.SetGuestNotifiers(_guestNotifiers, assign: false);
            }

            _running.Clear();
            IsStarted = false;
        });
    }

    /// <summary>A doorbell that arrived as a message: becomes an event of the queue's context.</summary>
    public void Kick(int index)
    {
        foreach (VirtioBlkQueue queue in _running)
        {
            if (queue.Index == index)
            {
                if (queue.Registers.HostNotifier is { } notifier)
                {
                    notifier.SignalIfRoom(); // drivers hold our doorbells' eventfds
                }
                else if (queue.Registers.Faults?.LosesKick(queue.Registers.Owner) != true)
                {
                    queue.Serve();
                }
            }
        }
    }

    /// <summary>Runs <paramref name="change"/> while no request is in flight and none is taken, then goes on.</summary>
    public void WhileDrained(Action change) => Settle(() =>
    {
        Quiesce(_running);
        try
        {
            change();
        }
        finally
        {
            foreach (VirtioBlkQueue queue in _running)
            {
                RunOn(queue.Context, queue.Resume);
            }
        }
    });

    /// <summary>
    /// Runs <paramref name="action"/> at once, or after the drain or stop that is under way: waiting for requests may run the
    /// main loop, and what comes in there must not begin another.
    /// </summary>
    internal void WhenSettled(Action action)
    {
        if (_isSettling)
        {
            _waiting.Enqueue(action);
        }
        else
        {
            action();
        }
    }

    /// <summary>
    /// Lets every queue go over to <paramref name="driver"/>, and runs <paramref name="change"/>, all while no request is in
    /// flight. When one of them cannot open it nothing has changed, and that exception comes out.
    /// </summary>
    internal void ReopenBlock(IBlockDriver driver, Action change) => WhileDrained(() =>
    {
        List<IBlockQueue> opened = [];
        try
        {
            _running.ForEach(queue => RunOn(queue.Context, () => opened.Add(driver.OpenQueue(queue.Context, queue.Registers.Owner))));
        }
        catch
        {
            for (int i = 0; i < opened.Count; i++)
            {
                RunOn(_running[i].Context, opened[i].Dispose);
            }

            throw;
        }

        for (int i = 0; i < opened.Count; i++)
        {
            RunOn(_running[i].Context, () => _running[i].ReplaceBlock(opened[i]));
        }

        change();
    });

    /// <summary>Returns once each context has finished what it was doing: a grace period for state it may have read.</summary>
    public void Synchronize()
    {
        foreach (IoThread thread in _ioThreads)
        {
            RunOn(thread.Context, static () => { });
        }
    }

    /// <summary>Where the driver would have queue <paramref name="index"/> served; see <see cref="IoThreadPlacement"/>.</summary>
    public void PlaceQueue(int index, PlacementHint hint) => _placement.Place(index, hint);

    /// <summary>Runs on the context's thread: this one for the main context, whose loop may not be running now.</summary>
    private void RunOn(AioContext context, Action action)
    {
        if (context == _mainContext)
        {
            action();
            return;
        }

        ExceptionDispatchInfo? failure = null;
        ManualResetEventSlim done = new(); // Never disposed: Set may still run when the wait is over.
        context.ScheduleOneShot(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e); // Not swallowed: it changes threads.
            }

            done.Set();
        });
        WaitFor(done);
        failure?.Throw();
    }

    /// <summary>Waits for what IOThreads do, and sees to it that no client holds them up.</summary>
    private void WaitFor(ManualResetEventSlim done)
    {
        while (!done.Wait(StuckAfter))
        {
            Transport.FreeStuckThreads();
        }
    }

    /// <summary>Drains or stops; one at a time, and then what came meanwhile.</summary>
    private void Settle(Action work)
    {
        if (_isSettling)
        {
            throw new InvalidOperationException("the device is being drained or stopped; see WhenSettled");
        }

        _isSettling = true;
        try
        {
            work();
        }
        finally
        {
            _isSettling = false;
            while (_waiting.TryDequeue(out Action? action))
            {
                action();
            }
        }
    }
}
