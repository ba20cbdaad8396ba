using Backend.Block;
using RingCore.Faults;

namespace Backend.Faults;

/// <summary>A part of a cached write: <paramref name="Length"/> bytes from its byte <paramref name="Start"/> on.</summary>
internal readonly record struct CachePiece(CacheEntry Entry, long Start, long Length)
{
    internal bool Overlaps(CachePiece other)
    {
        long offset = Entry.Offset + Start;
        long otherOffset = other.Entry.Offset + other.Start;
        return offset < otherOffset + other.Length && otherOffset < offset + Length;
    }
}

/// <summary>Decides what survives a power cut, and in which order it reaches the image. A function of its arguments.</summary>
internal sealed class PowerCut
{
    private const long SectorSize = 512;
    private readonly ulong _seed;
    private readonly List<CachePiece> _survivors = [];

    internal PowerCut(IReadOnlyList<CacheEntry> entries, PowerCutKeep keep, ulong seed)
    {
        _seed = seed;
        int[] order = Order(entries.Count, keep is PowerCutKeep.Random or PowerCutKeep.Torn);
        var writes = new CutWrite[entries.Count];
        int turn = 0;
        foreach (int i in order)
        {
            CacheEntry entry = entries[i];
            long kept = Keep(entry, keep, FaultRandom.At(~seed, (ulong)i));
            CutFate fate = kept == 0 ? CutFate.Lost : kept == entry.Length ? CutFate.Kept : CutFate.Torn;
            int place = kept == 0 ? 0 : ++turn;
            writes[i] = new CutWrite(entry.Number, entry.Queue, EventOf(entry), entry.Offset, entry.Length, fate, kept, place);
        }

        Report = new PowerCutReport(keep, seed, true, writes);
    }

    /// <summary>What reaches the image, in order.</summary>
    internal IReadOnlyList<CachePiece> Survivors => _survivors;

    internal PowerCutReport Report { get; }

    /// <summary>Adds what survives of an entry; returns its bytes.</summary>
    private long Keep(CacheEntry entry, PowerCutKeep keep, ulong draw)
    {
        // Torn: a third of the writes each is lost, whole, or in parts.
        bool isTorn = keep == PowerCutKeep.Torn && draw % 3 == 2;
        bool isWhole = keep switch
        {
            PowerCutKeep.None => false,
            PowerCutKeep.All => true,
            PowerCutKeep.Random => (draw & 1) == 1,
            _ => draw % 3 == 1,
        };
        if (isTorn)
        {
            return KeepSectors(entry, draw);
        }

        if (!isWhole)
        {
            return 0;
        }

        _survivors.Add(new CachePiece(entry, 0, entry.Length));
        return entry.Length;
    }

    private long KeepSectors(CacheEntry entry, ulong draw)
    {
        long kept = 0;
        long start = -1;
        for (long at = 0; ; at = NextSector(entry, at))
        {
            bool isKept = at < entry.Length && (FaultRandom.At(draw, (ulong)at) & 1) == 1;
            if (isKept && start < 0)
            {
                start = at;
            }
            else if (!isKept && start >= 0)
            {
                _survivors.Add(new CachePiece(entry, start, at - start));
                kept += at - start;
                start = -1;
            }

            if (at == entry.Length)
            {
                break;
            }
        }

        return kept;
    }

    /// <summary>Sectors are the disk's; an entry may begin inside one when a rule has cut it.</summary>
    private static long NextSector(CacheEntry entry, long at) =>
        Math.Min(entry.Length, ((((entry.Offset + at) / SectorSize) + 1) * SectorSize) - entry.Offset);

    private int[] Order(int count, bool shuffled)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        for (int i = count - 1; shuffled && i > 0; i--)
        {
            int other = (int)FaultRandom.Below(_seed, (ulong)i, i + 1);
            (order[i], order[other]) = (order[other], order[i]);
        }

        return order;
    }

    private static FaultEvent EventOf(CacheEntry entry) => entry.Operation switch
    {
        BlockOperation.Write => FaultEvent.Write,
        BlockOperation.Discard => FaultEvent.Discard,
        _ => FaultEvent.WriteZeroes,
    };
}
