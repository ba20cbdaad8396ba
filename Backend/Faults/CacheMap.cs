namespace Backend.Faults;

/// <summary>
/// Which write each byte in the cache comes from: the newest. Kept in chunks of the disk, each with a short sorted list of
/// extents, so that a change moves little. Not thread safe.
/// </summary>
internal sealed class CacheMap
{
    /// <summary>Bytes of a chunk; no extent crosses its end.</summary>
    private const long ChunkSize = 1 << 20;

    private readonly Dictionary<long, List<Extent>> _chunks = [];

    /// <summary>Bytes [Start, End) of the disk come from the entry.</summary>
    internal readonly record struct Extent(long Start, long End, CacheEntry Entry);

    /// <summary>From now on its range comes from this entry.</summary>
    internal void Put(CacheEntry entry)
    {
        for (long at = entry.Offset; at < entry.Offset + entry.Length;)
        {
            long end = Math.Min(ChunkEnd(at), entry.Offset + entry.Length);
            if (!_chunks.TryGetValue(at / ChunkSize, out List<Extent>? chunk))
            {
                _chunks.Add(at / ChunkSize, chunk = []);
            }

            int place = Cut(chunk, at, end);
            chunk.Insert(place, new Extent(at, end, entry));
            at = end;
        }
    }

    /// <summary>Forgets what still comes from this entry.</summary>
    internal void Remove(CacheEntry entry)
    {
        for (long at = entry.Offset; at < entry.Offset + entry.Length; at = ChunkEnd(at))
        {
            if (_chunks.TryGetValue(at / ChunkSize, out List<Extent>? chunk))
            {
                chunk.RemoveAll(e => e.Entry == entry);
                if (chunk.Count == 0)
                {
                    _chunks.Remove(at / ChunkSize);
                }
            }
        }
    }

    /// <summary>The first extent that ends after <paramref name="from"/> and begins before <paramref name="to"/>.</summary>
    internal bool TryFind(long from, long to, out Extent found)
    {
        for (long at = from; at < to; at = ChunkEnd(at))
        {
            if (!_chunks.TryGetValue(at / ChunkSize, out List<Extent>? chunk))
            {
                continue;
            }

            int place = FirstEndingAfter(chunk, from);
            if (place < chunk.Count)
            {
                found = chunk[place];
                return found.Start < to;
            }
        }

        found = default;
        return false;
    }

    internal void Clear() => _chunks.Clear();

    private static long ChunkEnd(long at) => ((at / ChunkSize) + 1) * ChunkSize;

    /// <summary>Makes room for [start, end); returns where it goes.</summary>
    private static int Cut(List<Extent> chunk, long start, long end)
    {
        int first = FirstEndingAfter(chunk, start);
        if (first < chunk.Count && chunk[first].Start < start)
        {
            Extent whole = chunk[first];
            chunk[first] = whole with { End = start };
            first++;
            if (whole.End > end)
            {
                chunk.Insert(first, whole with { Start = end });
            }
        }

        int last = first;
        while (last < chunk.Count && chunk[last].End <= end)
        {
            last++;
        }

        chunk.RemoveRange(first, last - first);
        if (first < chunk.Count && chunk[first].Start < end)
        {
            chunk[first] = chunk[first] with { Start = end };
        }

        return first;
    }

    private static int FirstEndingAfter(List<Extent> chunk, long position)
    {
        int low = 0;
        int high = chunk.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (chunk[middle].End > position)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }
}
