using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>
/// An event loop: descriptors, bottom halves and timers, served by the one thread that calls <see cref="Poll"/> or
/// <see cref="Run"/>. All callbacks run on that thread. Members that say "any thread" may be called from anywhere, the others
/// belong to it.
/// </summary>
/// <remarks>
/// A round: changes from other threads, busy-polling or sleeping, ready handlers, bottom halves, timers, round-end callbacks.
/// <see cref="Poll"/> may be called from inside a callback (not from inside Poll, PollBegin and PollEnd of a handler): the
/// inner rounds serve everything. An exception of a callback comes out of <see cref="Poll"/>, and the context stays usable.
/// </remarks>
public sealed partial class AioContext : IDisposable
{
    private const int NoThread = 0;

    [ThreadStatic]
    private static AioContext? t_current;

    private readonly LoopWaker _waker = new();
    private readonly AdaptivePolling _polling;
    private readonly FdNode _wakerNode;
    private readonly FdMonitorKind _wantedMonitor;
    private readonly bool _wantsLargeEntries;
    private readonly AioRing _ring;
    private IFdMonitor? _monitor;
    private int _pollingThread = NoThread;
    private bool _stopRequested;
    private bool _disposed;

    /// <exception cref="PosixException">ENOSYS or EPERM when io_uring was demanded and cannot be had.</exception>
    public AioContext(AioContextOptions? options = null)
    {
        options ??= new AioContextOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.PollMaxNs, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.PollGrow, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.PollShrink, nameof(options));
        if (options.Monitor == FdMonitorKind.IoUring && IoUring.UnavailableErrno is not 0 and int errno)
        {
            throw new PosixException(errno, "io_uring_setup");
        }

        Name = options.Name;
        _wantedMonitor = options.Monitor;
        _polling = new AdaptivePolling(options.PollMaxNs, options.PollGrow, options.PollShrink);
        _wantsLargeEntries = options.LargeSubmissionEntries;
        _ring = new AioRing(this);
        _wakerNode = new FdNode(_waker.Notifier.ReadDescriptor, _waker.Notifier)
        {
            Handler = new AioHandler { Notified = static () => { } },
        };
    }

    /// <summary>The context whose <see cref="Poll"/> is running on this thread, if any.</summary>
    public static AioContext? Current => t_current;

    public string Name { get; }

    public AioStatistics Statistics { get; } = new();

    /// <summary>The monitor in use; before the first round the one that was asked for.</summary>
    public FdMonitorKind Monitor => _monitor?.Kind ?? _wantedMonitor;

    /// <summary>Longest busy-poll in nanoseconds; 0 never polls. Any thread; holds from the next round on.</summary>
    public long PollMaxNs
    {
        get => _polling.MaxNs;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _polling.MaxNs = value;
        }
    }

    /// <summary>
    /// What the polling time never shrinks below in nanoseconds, however long the waits have been; <see cref="PollMaxNs"/> bounds
    /// it. 0 until it is set. Any thread; holds from the next round on.
    /// </summary>
    public long PollMinNs
    {
        get => _polling.MinNs;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _polling.MinNs = value;
        }
    }

    /// <summary>
    /// Above 0, busy-polling is not for a time, but for so many looks, after each of which whoever else wants this thread's CPU runs
    /// first (<see cref="Thread.Yield"/>). For a peer on the same CPU, which will have done its part by then, or will take longer anyway.
    /// <see cref="PollMaxNs"/> still has to be above 0. Loop's thread; holds from the next round on.
    /// </summary>
    public int PollYields { get; set; }

    /// <summary>The polling time that the context has settled on, in nanoseconds.</summary>
    public long PollTimeNs => _polling.TimeNs;

    /// <summary>
    /// The io_uring that the loop waits with, for others to use; null under epoll. On the loop's thread only, since the ring
    /// exists from the first round on.
    /// </summary>
    public AioRing? Ring => _ring.Monitor is null ? null : _ring;

    internal bool IsDisposed => Volatile.Read(ref _disposed); // pairs with Dispose

    internal BottomHalfQueue BottomHalves { get; } = new();

    internal TimerQueue Timers { get; } = new();

    /// <summary>One round. Returns true when a handler, bottom half or timer made progress.</summary>
    /// <param name="blocking">Waits until there is something to do, or <see cref="Notify"/> is called; else only looks.</param>
    /// <exception cref="InvalidOperationException">Another thread is running the context.</exception>
    public bool Poll(bool blocking)
    {
        bool isOutermost = Enter(out AioContext? previous);
        try
        {
            return RunRound(blocking);
        }
        finally
        {
            Leave(isOutermost, previous);
        }
    }

    /// <summary>Runs rounds on this thread until <see cref="Stop"/>, also one that was called before.</summary>
    public void Run()
    {
        bool isOutermost = Enter(out AioContext? previous);
        try
        {
            while (!Volatile.Read(ref _stopRequested)) // pairs with Stop
            {
                RunRound(blocking: true);
            }
        }
        finally
        {
            Volatile.Write(ref _stopRequested, false); // pairs with Stop
            Leave(isOutermost, previous);
        }
    }

    /// <summary>Ends <see cref="Run"/> after the current round; any thread.</summary>
    public void Stop()
    {
        Volatile.Write(ref _stopRequested, true); // pairs with Run
        Notify();
    }

    /// <summary>
    /// Ends the sleep of the loop, or keeps its next round from sleeping; any thread; no system call when the loop is awake.
    /// Harmless on a disposed context.
    /// </summary>
    public void Notify()
    {
        if (t_current == this)
        {
            _waker.NotifyFromLoop();
        }
        else
        {
            _waker.Notify();
        }
    }

    /// <summary>A callback to be scheduled again and again; any thread.</summary>
    public BottomHalf CreateBottomHalf(Action callback, string name = "bh") => new(this, callback, name);

    /// <summary>Runs <paramref name="callback"/> once on the loop; any thread.</summary>
    public void ScheduleOneShot(Action callback) => CreateBottomHalf(callback, "one-shot").Schedule();

    /// <summary>
    /// Runs <paramref name="callback"/> on the loop and waits until it has run; inline on the loop's own thread. Waits for the
    /// loop's thread to come when none is running it. Exceptions come back.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The context is, or was meanwhile, disposed.</exception>
    public void Invoke(Action callback)
    {
        if (t_current == this)
        {
            callback();
            return;
        }

        ObjectDisposedException.ThrowIf(_disposed, this);
        Invocation invocation = new(this, callback);
        invocation.Schedule();
        if (Volatile.Read(ref _disposed)) // pairs with Dispose, which abandons what was queued before
        {
            AbandonBottomHalves();
        }

        invocation.Wait();
    }

    public AioTimer CreateTimer(Action callback) => new(this, callback);

    /// <summary>Frees everything; no thread may be running the context, and none will. Callers of <see cref="Invoke"/> that still wait get an exception.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        // Claims the context for good, so that no Poll starts.
        int me = Environment.CurrentManagedThreadId;
        if (Interlocked.CompareExchange(ref _pollingThread, me, NoThread) != NoThread) // pairs with Enter
        {
            throw new InvalidOperationException($"The context {Name} is running.");
        }

        Volatile.Write(ref _disposed, true); // pairs with Invoke
        AbandonBottomHalves();
        _monitor?.Retire();
        ReleaseHandlers();
        _monitor?.Dispose();
        _ring.Monitor = null;
        _waker.Dispose();
    }

    /// <summary>For a bottom half that was just scheduled. The loop itself looks for those before it sleeps.</summary>
    internal void NotifyOfBottomHalf() => NotifyIfElsewhere();

    /// <summary>Wakes the loop unless this is its own thread, which looks for timers and bottom halves before it sleeps.</summary>
    internal void NotifyIfElsewhere()
    {
        if (t_current != this)
        {
            _waker.Notify();
        }
    }

    // The queue's own side is the loop's; without a loop, whoever comes takes its place under this lock.
    private void AbandonBottomHalves()
    {
        lock (BottomHalves)
        {
            BottomHalves.AbandonAll();
        }
    }

    private bool Enter(out AioContext? previous)
    {
        int me = Environment.CurrentManagedThreadId;
        previous = t_current;
        if (Volatile.Read(ref _pollingThread) == me) // pairs with the exchanges here and in Leave
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            t_current = this;
            return false;
        }

        if (Interlocked.CompareExchange(ref _pollingThread, me, NoThread) != NoThread) // pairs with Leave and Dispose
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            throw new InvalidOperationException($"Another thread is running the context {Name}.");
        }

        t_current = this;
        try
        {
            PrepareMonitor();
        }
        catch
        {
            Leave(isOutermost: true, previous);
            throw;
        }

        return true;
    }

    private void Leave(bool isOutermost, AioContext? previous)
    {
        t_current = previous;
        if (isOutermost)
        {
            Volatile.Write(ref _pollingThread, NoThread); // pairs with Enter
        }
    }
}
