using System.Diagnostics;
using NLog;
using RingCore.Posix;

namespace FuseFront.Disk;

/// <summary>
/// Moves one queue's threads as <see cref="PlacementPolicy"/> says: the front's own directly, the device's through a hint. A
/// look every <see cref="LookMs"/> costs a clock reading a round; a move needs <see cref="Confirmations"/> equal decisions
/// in a row, so that moves stay rare. A thread that is confined to a CPU on which something else keeps it waiting is set free
/// for a while: placement must never cost more than it can win. Does nothing where there is but one CPU to choose from, or
/// moving is forbidden. Queue's thread.
/// </summary>
internal sealed class QueuePlacement : IDisposable
{
    private const int LookMs = 2;
    private const int Confirmations = 2;

    /// <summary>How often the kernel's account of waiting is read while the thread is confined.</summary>
    private const int GuardMs = 20;

    /// <summary>Mean wait for the CPU from which on the thread is set free: peers of the queue take microseconds.</summary>
    private const long MaxDelayNs = 400_000;

    /// <summary>A passing disturbance must cost no more than it lasted itself; one that stays soon gets the longest freedom.</summary>
    private const int FirstFreedomMs = 50;
    private const int FreedomGrowth = 4;
    private const int LongestFreedomMs = 8000;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private static readonly long TicksPerMs = Stopwatch.Frequency / 1000;
    private readonly RunDelayMeter? _meter;
    private readonly Func<long> _meanDelayNs;
    private readonly int[] _allowed;
    private readonly Action<int?> _placeDevice;
    private readonly Action<bool> _lookBeforeSleep;
    private readonly Func<int> _submitterCpu;
    private readonly Func<long> _othersTotal;
    private readonly int _index;
    private long _nextLook;
    private long _nextGuard;
    private long _freeUntil;
    private long _calmUntil;
    private int _freedomMs = FirstFreedomMs;
    private long _seenRequests;
    private long _seenBytes;
    private long _seenOthers;
    private int _depth;
    private uint _submitter;
    private bool _isFromOne;
    private Placement _wanted;
    private int _wantedCpu = -1;
    private int _timesWanted;
    private bool _isForbidden;

    /// <param name="index">The queue.</param>
    /// <param name="submitterCpu">The CPU that the queue's requests come from; negative when unknown.</param>
    /// <param name="othersTotal">Requests that the disk's other queues have answered so far.</param>
    /// <param name="placeDevice">Hints to the device on which CPU to serve the queue; null: anywhere.</param>
    /// <param name="lookBeforeSleep">Has the queue's thread look for work for some microseconds before it sleeps, or no longer.</param>
    /// <param name="meanDelayNs">As <see cref="RunDelayMeter.MeanDelayNs"/>; null: the calling thread's.</param>
    public QueuePlacement(
        int index, Func<int> submitterCpu, Func<long> othersTotal, Action<int?> placeDevice, Action<bool> lookBeforeSleep,
        Func<long>? meanDelayNs = null)
    {
        _meter = meanDelayNs is null ? new RunDelayMeter() : null;
        _meanDelayNs = meanDelayNs ?? _meter!.MeanDelayNs;
        _index = index;
        _submitterCpu = submitterCpu;
        _othersTotal = othersTotal;
        _placeDevice = placeDevice;
        _lookBeforeSleep = lookBeforeSleep;
        _allowed = ThreadScheduling.GetAffinity();
    }

    /// <summary>The placement in force.</summary>
    public Placement Current { get; private set; }

    /// <summary>The CPU that <see cref="Current"/> refers to: the application's.</summary>
    public int Cpu { get; private set; } = -1;

    /// <summary>Moves made so far.</summary>
    public long Moves { get; private set; }

    /// <summary>Puts the queue on one CPU for good, the <paramref name="index"/>-th that may be used; the queue's thread calls it.</summary>
    public static void Pin(int index, Action<int?> placeDevice)
    {
        int[] allowed = ThreadScheduling.GetAffinity();
        int cpu = allowed[index % allowed.Length];
        int errno = ThreadScheduling.TrySetAffinity([cpu]);
        if (errno != 0)
        {
            Log.Info("queue {0}: this thread may not move to CPU {1}: {2}", index, cpu, Errno.Name(errno));
            return;
        }

        placeDevice(cpu);
    }

    /// <summary>At the end of a round: the queue's totals so far, what is in flight now, and the thread that asked for the latest.</summary>
    public void Observe(long requests, long bytes, int inFlight, uint submitter)
    {
        _depth = Math.Max(_depth, inFlight);
        _isFromOne &= submitter == _submitter;
        _submitter = submitter;
        if (requests == _seenRequests)
        {
            return;
        }

        long now = Stopwatch.GetTimestamp();
        if (now < _nextLook || _isForbidden || _allowed.Length < 2)
        {
            return;
        }

        _nextLook = now + (LookMs * TicksPerMs);
        long others = _othersTotal();
        Placement decision = PlacementPolicy.Decide(
            new QueueLoad(requests - _seenRequests, bytes - _seenBytes, _depth, others - _seenOthers, _isFromOne), Current);
        _seenRequests = requests;
        _seenBytes = bytes;
        _seenOthers = others;
        _depth = 0;
        _isFromOne = true;
        if (now >= _freeUntil && !SetFreeIfStarved(now))
        {
            Confirm(decision, _submitterCpu(), now);
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
            if (now >= _calmUntil)
            {
                _freedomMs = Math.Max(FirstFreedomMs, _freedomMs / FreedomGrowth);
                _calmUntil = now + (_freedomMs * TicksPerMs);
            }

            return false;
        }

        // Something else runs here. The longer that lasts, the rarer the next try, and the longer the calm until it is forgotten.
        Log.Debug("queue {0}: starved on CPU {1}, set free for {2} ms", _index, Cpu, _freedomMs);
        _freeUntil = now + (_freedomMs * TicksPerMs);
        _freedomMs = Math.Min(_freedomMs * FreedomGrowth, LongestFreedomMs);
        _calmUntil = _freeUntil + (_freedomMs * TicksPerMs);
        Move(Placement.Anywhere, -1, now);
        return true;
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
        int own = placement == Placement.Apart ? _allowed[(place + 1) % _allowed.Length] : cpu;
        int errno = ThreadScheduling.TrySetAffinity(isConfined ? [own] : _allowed);
        if (errno != 0)
        {
            Log.Info("queue {0}: placement is off, this thread may not move: {1}", _index, Errno.Name(errno));
            _isForbidden = true;
            return;
        }

        _placeDevice(isConfined ? cpu : null);
        _lookBeforeSleep(placement == Placement.Apart);
        Current = placement;
        Cpu = cpu;
        Moves++;
        _ = _meanDelayNs(); // What was before the move does not count.
        _nextGuard = now + (GuardMs * TicksPerMs);
    }
}
