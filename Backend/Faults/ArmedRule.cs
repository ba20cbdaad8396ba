using System.Diagnostics;
using RingCore.Faults;

namespace Backend.Faults;

/// <summary>
/// A rule in use: what it says, and how often it could have and has struck. Any thread; the counters are the only thing
/// that changes.
/// </summary>
internal sealed class ArmedRule
{
    private readonly ulong _key;
    private readonly long _count;
    private readonly long _skip;
    private readonly long _every;
    private readonly double _probability;
    private readonly long _from;
    private readonly long _to;
    private long _seen;
    private long _hits;
    private long _nextFree;
    private int _holding;
    private int _isRetired;

    /// <param name="when">Number of the state that it needs; negative: any.</param>
    /// <param name="set">Number of the state that it sets; negative: none.</param>
    internal ArmedRule(FaultRule rule, int number, ulong seed, int when, int set)
    {
        Rule = rule;
        Number = number;
        When = when;
        Set = set;
        AddedAt = Stopwatch.GetTimestamp();
        _key = FaultRandom.At(seed, (ulong)number);
        _count = rule.Count ?? long.MaxValue;
        _skip = rule.Skip ?? 0;
        _every = rule.Every ?? 1;
        _probability = (double)(rule.Probability ?? 100) / 100;
        _from = AddedAt + Ticks(rule.FromNs ?? 0);
        _to = rule.ToNs is { } to ? AddedAt + Ticks(to) : long.MaxValue;
    }

    internal FaultRule Rule { get; }

    internal FaultAction Action => Rule.Action;

    /// <summary>Counted from 1 over the life of the disk; never used again.</summary>
    internal int Number { get; }

    internal int When { get; }

    internal int Set { get; }

    /// <summary>Stopwatch ticks.</summary>
    internal long AddedAt { get; }

    /// <summary>When its time is over, in Stopwatch ticks; <see cref="long.MaxValue"/>: never.</summary>
    internal long EndsAt => _to;

    /// <summary>Occasions on which event, place, queue, state and time were right.</summary>
    internal long Seen => Volatile.Read(ref _seen); // partner: TryTake

    /// <summary>Occasions on which it struck.</summary>
    internal long Hits => Volatile.Read(ref _hits); // partner: TryHit

    /// <summary>Requests that it holds at present.</summary>
    internal int Holding => Volatile.Read(ref _holding); // partner: Hold and Release

    /// <summary>It was removed, so that what it holds must go on.</summary>
    internal bool IsRetired => Volatile.Read(ref _isRetired) != 0; // partner: Retire

    internal string Label => Rule.Name ?? $"#{Number}";

    internal void Retire() => Volatile.Write(ref _isRetired, 1); // partner: IsRetired

    internal void Hold() => Interlocked.Increment(ref _holding); // partner: Holding

    internal void Release() => Interlocked.Decrement(ref _holding); // partner: Holding

    /// <summary>Does the rule strike now? Counts the occasion. <paramref name="draw"/> is its own random number for it.</summary>
    /// <param name="queue">The virtqueue; negative for an event without.</param>
    /// <param name="offset">Bytes; negative for an event without a place.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="state">Number of the present state.</param>
    /// <param name="draw">For whatever the action decides by chance.</param>
    internal bool TryTake(int queue, long offset, long length, int state, out ulong draw)
    {
        draw = 0;
        if ((When >= 0 && When != state) || (Rule.Queue is { } wanted && wanted != queue) || !IsInPlace(offset, length) || !IsInTime())
        {
            return false;
        }

        if (Hits >= _count)
        {
            return false;
        }

        // The number of the occasion decides: the same order of requests gives the same faults. Partner: other queues' threads.
        long number = Interlocked.Increment(ref _seen);
        if (number <= _skip || (number - _skip) % _every != 0)
        {
            return false;
        }

        if (_probability < 1 && !FaultRandom.Chance(_key, (ulong)number * 2, _probability))
        {
            return false;
        }

        draw = FaultRandom.At(_key, ((ulong)number * 2) + 1);
        return TryHit();
    }

    /// <summary>Bytes from the request's start that the rule is about.</summary>
    internal (long Start, long End) Part(long offset, long length) =>
        Rule.At is { End: { } end } at
            ? (Math.Clamp(at.Start - offset, 0, length), Math.Clamp(end - offset, 0, length))
            : (0, length);

    /// <summary>Takes <paramref name="bytes"/> from the rate; returns when they are through, in Stopwatch ticks.</summary>
    internal long Reserve(long bytes, long bytesPerSecond)
    {
        long cost = (long)(bytes * (double)Stopwatch.Frequency / bytesPerSecond);
        long now = Stopwatch.GetTimestamp();
        while (true)
        {
            long free = Volatile.Read(ref _nextFree); // partner: the exchange below, on other queues' threads
            long through = Math.Max(now, free) + cost;
            if (Interlocked.CompareExchange(ref _nextFree, through, free) == free)
            {
                return through;
            }
        }
    }

    /// <summary>Nanoseconds as Stopwatch ticks.</summary>
    internal static long Ticks(long ns) => (long)(ns * (Stopwatch.Frequency / 1e9));

    private bool TryHit()
    {
        while (true)
        {
            long hits = Volatile.Read(ref _hits);
            if (hits >= _count)
            {
                return false;
            }

            // Partner: the same on other queues' threads; never more than the rule's count.
            if (Interlocked.CompareExchange(ref _hits, hits + 1, hits) == hits)
            {
                return true;
            }
        }
    }

    private bool IsInPlace(long offset, long length)
    {
        if (Rule.Size is { } size && (offset < 0 || length < size.Min || length > size.Max))
        {
            return false;
        }

        if (Rule.At is not { } at)
        {
            return true;
        }

        return offset >= 0 && length > 0 && at.Start < offset + length && offset < (at.End ?? at.Start + 1);
    }

    private bool IsInTime()
    {
        if (Rule.FromNs is null && Rule.ToNs is null)
        {
            return true;
        }

        long now = Stopwatch.GetTimestamp();
        return now >= _from && now < _to;
    }
}
