namespace RingCore.Aio;

/// <summary>
/// A callback that a context runs soon, on its own thread: what must not be done right here, or not by this thread. Scheduling
/// it allocates nothing and takes no lock.
/// </summary>
public sealed class BottomHalf : IDisposable
{
    private const int Scheduled = 1;
    private const int Idle = 2;
    private const int Queued = 4;
    private const int Deleted = 8;
    private readonly AioContext _context;
    private readonly Action _callback;
    private int _state;

    internal BottomHalf(AioContext context, Action callback, string name)
    {
        _context = context;
        _callback = callback;
        Name = name;
    }

    /// <summary>For log lines.</summary>
    public string Name { get; }

    /// <summary>Link of <see cref="BottomHalfQueue"/>; belongs to it while this is queued.</summary>
    internal BottomHalf? Next { get; set; }

    /// <summary>Called instead of the callback when the context is disposed first.</summary>
    internal Action? Abandoned { get; init; }

    /// <summary>True when the loop may not sleep before this has run.</summary>
    internal bool IsUrgent => (Volatile.Read(ref _state) & (Scheduled | Idle)) == Scheduled; // pairs with Set and Clear

    /// <summary>True when it is scheduled, but can wait.</summary>
    internal bool IsIdle => (Volatile.Read(ref _state) & (Scheduled | Idle)) == (Scheduled | Idle); // pairs with Set and Clear

    /// <summary>
    /// Runs the callback in the next round, or in this one when a handler schedules it; any thread; many calls before it runs
    /// count as one. Scheduled from inside a bottom half it runs in the next round, before the loop sleeps. No effect once deleted.
    /// </summary>
    public void Schedule()
    {
        int old = Set(Scheduled, clear: Idle);
        if ((old & (Scheduled | Idle)) != Scheduled && (old & Deleted) == 0)
        {
            _context.NotifyOfBottomHalf();
        }
    }

    /// <summary>Like <see cref="Schedule"/>, but does not count as progress and does not wake a sleeping loop at once.</summary>
    public void ScheduleIdle() => Set(Scheduled | Idle, clear: 0);

    /// <summary>Takes a schedule back. The callback may be running when another thread than the loop's calls this.</summary>
    public void Cancel() => Clear(Scheduled | Idle);

    /// <summary>Deletes; safe from inside the callback and from any thread.</summary>
    public void Dispose()
    {
        Interlocked.Or(ref _state, Deleted); // pairs with the read in Run
        Clear(Scheduled | Idle);
    }

    /// <summary>Loop only, when just taken off the queue. Returns true when it counts as progress.</summary>
    internal bool Run()
    {
        // From here it can be queued again. A full fence: what was written before Schedule is visible to the callback.
        int old = Clear(Scheduled | Idle | Queued);
        if ((old & (Scheduled | Deleted)) != Scheduled)
        {
            return false;
        }

        _callback();
        return (old & Idle) == 0;
    }

    /// <summary>The context ended before this could run.</summary>
    internal void Abandon()
    {
        Clear(Scheduled | Idle | Queued);
        Abandoned?.Invoke();
    }

    // Sets the wanted bits and queues this if it is not queued. Returns the state before.
    private int Set(int bits, int clear)
    {
        int old = Volatile.Read(ref _state); // pairs with the exchanges here and in Clear
        while ((old & Deleted) == 0)
        {
            if ((bits & Idle) != 0 && (old & Scheduled) != 0)
            {
                break; // what was scheduled urgently stays urgent
            }

            int seen = Interlocked.CompareExchange(ref _state, (old & ~clear) | bits | Queued, old); // pairs with Clear
            if (seen == old)
            {
                if ((old & Queued) == 0)
                {
                    _context.BottomHalves.Push(this);
                }

                break;
            }

            old = seen;
        }

        return old;
    }

    private int Clear(int bits) => Interlocked.And(ref _state, ~bits); // a full fence; pairs with Set
}
