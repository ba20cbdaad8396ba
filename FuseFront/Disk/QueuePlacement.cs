using System.Diagnostics;
using NLog;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <summary>
/// Moves one queue's threads as <see cref="PlacementPolicy"/> says: the front's own directly, the device's through a hint. A
/// look every <see cref="LookMs"/> costs a clock reading a round; a move needs <see cref="Confirmations"/> equal decisions
/// in a row, so that moves stay rare. A thread that is confined to a CPU on which something else keeps it waiting is set free
/// for a while, and one that looks for work in vain no longer does: placement must never cost more than it can win. Does nothing
/// where there is but one CPU to choose from, or moving is forbidden. Queue's thread.
/// </summary>
internal sealed class QueuePlacement : IDisposable
{
    private const int LookMs = 2;
    private const int Confirmations = 2;

    /// <summary>How often the kernel's account of waiting is read while the thread is confined.</summary>
    private const int GuardMs = 20;

    /// <summary>Mean wait for the CPU from which on the thread is set free: peers of the queue take microseconds.</summary>
    private const long MaxDelayNs = 400_000;

    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private static readonly long TicksPerMs = Stopwatch.Frequency / 1000;
    private readonly RunDelayMeter? _meter;
    private readonly Func<long> _meanDelayNs;
    private readonly int[] _allowed;
    private readonly IPlacedQueue _queue;
    private readonly BesideTrial _trial = new();
    private readonly GrowingPause _freedom = new();
    private readonly GrowingPause _notBeside;
    private long _nextLook;
    private long _nextGuard;
    private QueueTotals _seen;
    private long _seenOthers;
    private int _depth;
    private uint _submitter;
    private bool _isFromOne;
    private Placement _wanted;
    private int _wantedCpu = -1;
    private int _timesWanted;
    private bool _isForbidden;

    /// <param name="notBeside">
    /// How long to leave <see cref="Placement.Beside"/> off after it failed. The disk's queues share one: what took the CPU that the
    /// device looked for work on takes it from all of them.
    /// </param>
    /// <param name="meanDelayNs">As <see cref="RunDelayMeter.MeanDelayNs"/>; null: the calling thread's.</param>
    public QueuePlacement(IPlacedQueue queue, GrowingPause notBeside, Func<long>? meanDelayNs = null)
    {
        _notBeside = notBeside;
        _meter = meanDelayNs is null ? new RunDelayMeter() : null;
        _meanDelayNs = meanDelayNs ?? _meter!.MeanDelayNs;
        _queue = queue;
        _allowed = ThreadScheduling.GetAffinity();
    }

    /// <summary>The placement in force.</summary>
    public Placement Current { get; private set; }

    /// <summary>The CPU that <see cref="Current"/> refers to: the application's.</summary>
    public int Cpu { get; private set; } = -1;

    /// <summary>Moves made so far.</summary>
    public long Moves { get; private set; }

    /// <summary>Puts the queue on one CPU for good, the index-th that may be used, and has it look for no work before it sleeps.</summary>
    public static void Pin(IPlacedQueue queue)
    {
        int[] allowed = ThreadScheduling.GetAffinity();
        int cpu = allowed[queue.Index % allowed.Length];
        int errno = ThreadScheduling.TrySetAffinity([cpu]);
        if (errno != 0)
        {
            Log.Info("queue {0}: this thread may not move to CPU {1}: {2}", queue.Index, cpu, Errno.Name(errno));
            return;
        }

        queue.PlaceDevice(PlacementHint.On(cpu), PlacementHint.Anywhere);
        queue.Follow(Placement.Together);
    }

    /// <summary>At the end of a round: the queue's totals so far, what is in flight now, and the thread that asked for the latest.</summary>
    public void Observe(in QueueTotals totals, int inFlight, uint submitter)
    {
        _depth = Math.Max(_depth, inFlight);
        _isFromOne &= submitter == _submitter;
        _submitter = submitter;
        if (totals.Requests == _seen.Requests)
        {
            return;
        }

        long now = Stopwatch.GetTimestamp();
        if (now < _nextLook || _isForbidden || _allowed.Length < 2)
        {
            return;
        }

        _nextLook = now + (LookMs * TicksPerMs);
        long others = _queue.OthersTotal;
        QueueLoad load = new(
            totals.Requests - _seen.Requests, totals.Bytes - _seen.Bytes, _depth, others - _seenOthers, _isFromOne);
        _seen = totals;
        _seenOthers = others;
        _depth = 0;
        _isFromOne = true;
        long longest = _queue.TakeLongestTicks();
        if (_freedom.IsOver(now) && !SetFreeIfStarved(now))
        {
            JudgeBeside(now, longest, load.Depth);
            int maxDepthBeside = _notBeside.IsOver(now) ? _queue.MaxDepthBeside : 0;
            Placement decision = PlacementPolicy.Decide(load, Current, _queue.MayPoll, maxDepthBeside, _queue.HasTwin);

            // Taking turns hides that there is one thread alone, for which Beside could be tried.
            bool mayTakeTurns = decision == Placement.Together && load.IsFromOneThread && maxDepthBeside == 0;
            Confirm(decision, _queue.ChooseCpu(mayTakeTurns), now);
        }
    }

    public void Dispose() => _meter?.Dispose();

    private void Confirm(Placement decision, int cpu, long now)
    {
        if (decision != _wanted || cpu != _wantedCpu)
        {
            _wanted = decision;
            _wantedCpu = cpu;
            _timesWanted = 0;
        }

        bool isThere = decision == Current && (decision == Placement.Anywhere || cpu == Cpu);
        if (++_timesWanted >= Confirmations && !isThere)
        {
            Move(decision, cpu, now);
        }
    }

    private bool SetFreeIfStarved(long now)
    {
        if (Current == Placement.Anywhere || now < _nextGuard)
        {
            return false;
        }

        _nextGuard = now + (GuardMs * TicksPerMs);
        if (_meanDelayNs() < MaxDelayNs)
        {
            _freedom.Works(now);
            return false;
        }

        // Something else runs here. The longer that lasts, the rarer the next try, and the longer the calm until it is forgotten.
        Log.Debug("queue {0}: starved on CPU {1}, set free for {2} ms", _queue.Index, Cpu, _freedom.NextMs);
        _freedom.Begin(now);
        Move(Placement.Anywhere, -1, now);
        return true;
    }

    private void JudgeBeside(long now, long longestTicks, int depth)
    {
        if (Current != Placement.Beside)
        {
            return;
        }

        switch (_trial.Look(now, _seen, longestTicks, depth))
        {
            case TrialVerdict.Works:
                _notBeside.Works(now);
                break;
            case TrialVerdict.Fails:
                Log.Debug("queue {0}: nothing won beside CPU {1}, back for {2} ms", _queue.Index, Cpu, _notBeside.NextMs);
                _notBeside.Begin(now);
                Move(Placement.Together, Cpu, now);
                break;
            default:
                break;
        }
    }

    private void Move(Placement placement, int cpu, long now)
    {
        bool isConfined = placement != Placement.Anywhere;
        int place = isConfined ? Array.IndexOf(_allowed, cpu) : 0;
        if (place < 0)
        {
            return;
        }

        // Apart, the front takes the next CPU, and leaves the application's to the device.
        int own = placement is Placement.Apart or Placement.Spread ? _allowed[(place + 1) % _allowed.Length] : cpu;
        int errno = ThreadScheduling.TrySetAffinity(isConfined ? [own] : _allowed);
        if (errno != 0)
        {
            Log.Info("queue {0}: placement is off, this thread may not move: {1}", _queue.Index, Errno.Name(errno));
            _isForbidden = true;
            placement = Placement.Anywhere; // no more looks: nobody would notice what polling costs
        }

        PlacementHint hint = placement switch
        {
            Placement.Anywhere => PlacementHint.Anywhere,
            Placement.Beside => PlacementHint.Beside(cpu),
            _ => PlacementHint.On(cpu),
        };
        _queue.PlaceDevice(hint, placement == Placement.Spread ? PlacementHint.On(own) : PlacementHint.Anywhere);
        if (Current != placement)
        {
            _trial.Begin(now, _seen); // not when only the CPU is another: a stream that wanders has to be judged as well
        }

        Current = placement;
        Cpu = cpu;
        Moves++;
        _queue.Follow(placement);
        _ = _meanDelayNs(); // What was before the move does not count.
        _nextGuard = now + (GuardMs * TicksPerMs);
    }
}
