using Backend.Block;

namespace Backend.Faults;

/// <summary>
/// What the volatile cache holds: every write since it last went down, in the order of coming, also those that a later one
/// covers, since any of them may be what a power cut leaves. Thread safe; no member waits.
/// </summary>
internal sealed class CacheStore(long size) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<CacheEntry> _log = [];
    private readonly CacheMap _map = new();
    private long _used;
    private long _lastNumber;
    private bool _isPowered = true;

    /// <summary>Bytes that it holds at rest; a write on its way may add to that.</summary>
    internal long Size => size;

    internal bool IsPowered
    {
        get
        {
            lock (_gate)
            {
                return _isPowered;
            }
        }
    }

    /// <summary>Unflushed writes and their bytes.</summary>
    internal (int Writes, long Bytes) Usage
    {
        get
        {
            lock (_gate)
            {
                return (_log.Count, _used);
            }
        }
    }

    /// <summary>Number of the newest write.</summary>
    internal long LastNumber
    {
        get
        {
            lock (_gate)
            {
                return _lastNumber;
            }
        }
    }

    /// <summary>Without power nothing is taken.</summary>
    internal void SetPower(bool on)
    {
        lock (_gate)
        {
            _isPowered = on;
        }
    }

    /// <summary>
    /// Takes a write, discard or zeroing. Returns its number, or 0 without power; <paramref name="isFull"/>: the oldest have to
    /// go down before it completes.
    /// </summary>
    internal long Add(BlockRequest request, int queue, out bool isFull)
    {
        lock (_gate)
        {
            isFull = false;
            if (!_isPowered)
            {
                return 0;
            }

            CacheEntry entry = new(request, ++_lastNumber, queue);
            _log.Enqueue(entry);
            _map.Put(entry);
            _used += entry.Cost;
            isFull = _used > size;
            return _lastNumber;
        }
    }

    /// <summary>
    /// Puts what is here into a read's memory, and calls <paramref name="gap"/> for each part that is not: bytes [start, end)
    /// from the request's beginning. The image has the newest content of those. False without power.
    /// </summary>
    internal unsafe bool TryRead(BlockRequest request, Action<long, long> gap)
    {
        lock (_gate)
        {
            if (!_isPowered)
            {
                return false;
            }

            long end = request.Offset + request.Length;
            long at = request.Offset;
            while (at < end)
            {
                if (!_map.TryFind(at, end, out CacheMap.Extent extent))
                {
                    gap(at - request.Offset, request.Length);
                    break;
                }

                if (extent.Start > at)
                {
                    gap(at - request.Offset, extent.Start - request.Offset);
                    at = extent.Start;
                }

                long until = Math.Min(extent.End, end);
                Fill(request, at, until - at, extent.Entry);
                at = until;
            }

            return true;
        }
    }

    /// <summary>The oldest writes up to a number, as many as may go down at once: no two of them overlap. They stay here.</summary>
    internal void Peek(long upTo, int most, List<CacheEntry> batch)
    {
        lock (_gate)
        {
            foreach (CacheEntry entry in _log)
            {
                if (entry.Number > upTo || batch.Count == most || batch.Exists(entry.Overlaps))
                {
                    break;
                }

                batch.Add(entry);
            }
        }
    }

    /// <summary>The oldest writes that have to go down for the cache to be within its size.</summary>
    internal void PeekExcess(int most, List<CacheEntry> batch)
    {
        lock (_gate)
        {
            long left = _used;
            foreach (CacheEntry entry in _log)
            {
                if (left <= size || batch.Count == most || batch.Exists(entry.Overlaps))
                {
                    break;
                }

                batch.Add(entry);
                left -= entry.Cost;
            }
        }
    }

    /// <summary>The oldest writes are down: forgets them.</summary>
    internal void Drop(int count)
    {
        lock (_gate)
        {
            for (; count > 0; count--)
            {
                CacheEntry entry = _log.Dequeue();
                _map.Remove(entry);
                _used -= entry.Cost;
                entry.Dispose();
            }
        }
    }

    /// <summary>Hands everything over to the caller, and is empty.</summary>
    internal List<CacheEntry> TakeAll()
    {
        lock (_gate)
        {
            List<CacheEntry> all = [.. _log];
            _log.Clear();
            _map.Clear();
            _used = 0;
            return all;
        }
    }

    public void Dispose() => TakeAll().ForEach(e => e.Dispose());

    // at and length are inside both the request and the entry.
    private static unsafe void Fill(BlockRequest request, long at, long length, CacheEntry entry)
    {
        long into = at - request.Offset;
        if (entry.Data != null)
        {
            VectorSlice.Scatter(request.Vectors, request.VectorCount, into, entry.Data + (at - entry.Offset), length);
        }
        else
        {
            VectorSlice.Clear(request.Vectors, request.VectorCount, into, length);
        }
    }
}
