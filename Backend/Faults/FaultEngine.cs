using System.Diagnostics;
using System.Globalization;
using Backend.Block;
using NLog;
using RingCore.Faults;
using RingCore.Hosting;

namespace Backend.Faults;

/// <summary>
/// The rules of one disk and their state, shared by all its queues. Asking costs one volatile read while there is no rule.
/// Any thread; changes are serialised by a lock that queues never take.
/// </summary>
internal sealed class FaultEngine(ulong seed, BlockLimits limits, int queues, IFaultHost host)
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Lock _changing = new();
    private readonly List<ArmedRule> _rules = [];
    private readonly List<string> _states = [FaultStates.Start];
    private readonly object _hitSignal = new();
    private RuleSet? _active;
    private int _state;
    private int _waiters;
    private int _lastNumber;
    private bool _paused;

    /// <summary>The rules changed, or were paused: what is held must be looked at again. Any thread.</summary>
    internal event Action? Changed;

    internal ulong Seed { get; } = seed;

    internal bool IsPaused
    {
        get
        {
            lock (_changing)
            {
                return _paused;
            }
        }
    }

    internal string State
    {
        get
        {
            lock (_changing)
            {
                return _states[Volatile.Read(ref _state)];
            }
        }
    }

    /// <summary>The rules that apply now; null when none does.</summary>
    internal RuleSet? Active => Volatile.Read(ref _active); // partner: Publish

    /// <summary>Asks every rule about one event, in order, up to the first outcome.</summary>
    internal FaultVerdict Decide(ArmedRule[] rules, int queue, long offset, long length)
    {
        FaultVerdict verdict = default;
        int state = Volatile.Read(ref _state); // partner: below
        int next = state;
        foreach (ArmedRule rule in rules)
        {
            if (!rule.TryTake(queue, offset, length, state, out ulong draw))
            {
                continue;
            }

            NoteHit(rule, queue, offset, length);
            switch (rule.Action)
            {
                case DelayAction delay:
                    long from = verdict.NotBefore == 0 ? Stopwatch.GetTimestamp() : verdict.NotBefore;
                    verdict.NotBefore = from + ArmedRule.Ticks(delay.MinNs + FaultRandom.Below(draw, 0, delay.MaxNs - delay.MinNs + 1));
                    break;
                case RateAction rate:
                    verdict.NotBefore = Math.Max(verdict.NotBefore, rule.Reserve(length, rate.BytesPerSecond));
                    break;
                case HangAction:
                    verdict.Hang ??= rule;
                    break;
                case SetStateAction:
                    next = rule.Set;
                    break;
                default:
                    verdict.Outcome = rule;
                    verdict.Draw = draw;
                    break;
            }

            if (verdict.Outcome is not null)
            {
                break;
            }
        }

        if (next != state)
        {
            Volatile.Write(ref _state, next); // partner: above; the event itself still saw the old one
        }

        return verdict;
    }

    /// <summary>Carries out what is not about the event itself; false for another action.</summary>
    internal bool TryCarryOut(ArmedRule rule, ulong draw)
    {
        switch (rule.Action)
        {
            case KillAction:
                host.Kill($"rule {rule.Label}: {rule.Rule}");
                return true;
            case PowerCutAction cut:
                host.CutPower(cut.Keep, draw);
                return true;
            default:
                return false;
        }
    }

    /// <exception cref="UserErrorException">The rule cannot match on this disk, or its name is taken.</exception>
    internal ArmedRule Add(FaultRule rule)
    {
        RequirePossible(rule);
        ArmedRule armed;
        lock (_changing)
        {
            if (rule.Name is not null && _rules.Exists(r => r.Rule.Name == rule.Name))
            {
                throw new UserErrorException($"there is a rule '{rule.Name}' already; remove it first, or choose another name");
            }

            armed = new ArmedRule(
                rule,
                ++_lastNumber,
                Seed,
                rule.When is null ? -1 : NumberOf(rule.When),
                rule.Action is SetStateAction set ? NumberOf(set.State) : -1);
            _rules.Add(armed);
            Publish();
        }

        Log.Info("fault rule {0} added: {1} (seed {2})", armed.Label, rule, Seed);
        return armed;
    }

    /// <summary>Removes one rule by name or number; what it holds goes on.</summary>
    /// <exception cref="UserErrorException">There is no such rule.</exception>
    internal void Remove(string which)
    {
        lock (_changing)
        {
            ArmedRule rule = Find(which);
            rule.Retire();
            _rules.Remove(rule);
            Publish();
        }

        Changed?.Invoke();
    }

    /// <summary>Removes every rule, and goes back to the first state.</summary>
    internal int Clear()
    {
        int count;
        lock (_changing)
        {
            count = _rules.Count;
            _rules.ForEach(r => r.Retire());
            _rules.Clear();
            Volatile.Write(ref _state, 0); // partner: Decide
            Publish();
        }

        Changed?.Invoke();
        return count;
    }

    /// <summary>No rule strikes or counts until resumed; what is held goes on.</summary>
    internal void SetPaused(bool paused)
    {
        lock (_changing)
        {
            _paused = paused;
            Publish();
        }

        Changed?.Invoke();
    }

    internal IReadOnlyList<ArmedRule> List()
    {
        lock (_changing)
        {
            return [.. _rules];
        }
    }

    /// <summary>Waits until a rule has struck so often; false when the time is over first. Returns the hits so far.</summary>
    /// <exception cref="UserErrorException">There is no such rule.</exception>
    internal bool WaitForHits(string which, long hits, TimeSpan timeout, out long soFar)
    {
        ArmedRule rule;
        lock (_changing)
        {
            rule = Find(which);
        }

        long deadline = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        Interlocked.Increment(ref _waiters); // partner: NoteHit, whose hit is counted before it looks
        try
        {
            lock (_hitSignal)
            {
                while ((soFar = rule.Hits) < hits)
                {
                    long left = deadline - Environment.TickCount64;
                    if (left <= 0 || !Monitor.Wait(_hitSignal, (int)Math.Min(left, int.MaxValue)))
                    {
                        soFar = rule.Hits;
                        return soFar >= hits;
                    }
                }
            }

            return true;
        }
        finally
        {
            Interlocked.Decrement(ref _waiters);
        }
    }

    private void NoteHit(ArmedRule rule, int queue, long offset, long length)
    {
        if (Volatile.Read(ref _waiters) != 0) // partner: WaitForHits
        {
            lock (_hitSignal)
            {
                Monitor.PulseAll(_hitSignal);
            }
        }

        bool isFirst = rule.Hits == 1;
        if (isFirst || Log.IsDebugEnabled)
        {
            Log.Log(
                isFirst ? LogLevel.Info : LogLevel.Debug,
                "fault rule {0} strikes{1}{2}: {3}",
                rule.Label,
                queue >= 0 ? $" on queue {queue}" : "",
                offset >= 0 && length > 0 ? $" at {offset}+{length}" : "",
                rule.Rule);
        }
    }

    private void Publish()
    {
        bool none = _paused || _rules.Count == 0;
        Volatile.Write(ref _active, none ? null : new RuleSet(_rules)); // partner: Active
    }

    private ArmedRule Find(string which) =>
        _rules.Find(r => r.Rule.Name == which || r.Number.ToString(CultureInfo.InvariantCulture) == which)
        ?? throw new UserErrorException($"there is no rule '{which}'; see 'vdisk fault list'");

    private int NumberOf(string state)
    {
        int number = _states.IndexOf(state);
        if (number < 0)
        {
            number = _states.Count;
            _states.Add(state);
        }

        return number;
    }

    private void RequirePossible(FaultRule rule)
    {
        string? why = rule switch
        {
            { At: { } at } when at.Start >= limits.Length => $"the disk ends at {limits.Length}",
            { Size: { } size } when size.Min > limits.Length => $"the disk has only {limits.Length} bytes",
            { Queue: { } queue } when queue >= queues => $"the disk has queues 0 to {queues - 1}",
            { Event: FaultEvent.Write or FaultEvent.Discard or FaultEvent.WriteZeroes } when limits.IsReadOnly => "the disk is read-only",
            { Event: FaultEvent.Discard } when !limits.CanDiscard => "the image cannot discard",
            { Event: FaultEvent.WriteZeroes } when !limits.CanWriteZeroes => "the image cannot write zeroes",
            _ => null,
        };
        if (why is not null)
        {
            throw new UserErrorException($"the rule '{rule}' can never match: {why}; change it");
        }
    }
}
