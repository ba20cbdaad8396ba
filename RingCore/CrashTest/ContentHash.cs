using System.IO.Hashing;
using RingCore.Log;
using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>
/// A hash of the disk's whole content that costs only what changes: the sum, over all sectors that a change touched, of the
/// mixed hash of place and content, less that of the base image. Two contents are equal, as far as 64 bits tell, when their
/// sums are. Memory: 16 bytes for each sector touched. One thread.
/// </summary>
public sealed class ContentHash(LogIndex index, PositionedFile baseImage)
{
    private const int PageBits = 6;
    private const int PageSectors = 1 << PageBits;
    private static readonly ulong ZeroHash = XxHash3.HashToUInt64(new byte[Piece.SectorSize]);
    private readonly Dictionary<long, Page> _pages = [];
    private readonly Dictionary<int, ulong[]> _changes = [];
    private readonly byte[] _buffer = new byte[PageSectors * Piece.SectorSize];

    /// <summary>Of the steps applied so far.</summary>
    public ulong Value { get; private set; }

    /// <summary>Adds a step for good.</summary>
    public void Apply(in Piece step)
    {
        long sector = index.StartOf(step);
        ulong[]? hashes = HashesOf(step.Record);
        for (int i = 0; i < step.Count; i++, sector++)
        {
            if (hashes is null && StaysHole(sector, step.Count - i, out int hole))
            {
                i += hole - 1;
                sector += hole - 1;
                continue;
            }

            ulong hash = hashes is null ? ZeroHash : hashes[step.Skip + i];
            ref ulong now = ref PageOf(sector).Now[sector & (PageSectors - 1)];
            Value += Mix(sector, hash) - Mix(sector, now);
            now = hash;
        }
    }

    /// <summary>What the value is with pieces on top, none of whose sectors come twice.</summary>
    public ulong With(IReadOnlyList<Piece> visible)
    {
        ulong value = Value;
        foreach (Piece piece in visible)
        {
            long sector = index.StartOf(piece);
            ulong[]? hashes = HashesOf(piece.Record);
            for (int i = 0; i < piece.Count; i++, sector++)
            {
                if (hashes is null && StaysHole(sector, piece.Count - i, out int hole))
                {
                    i += hole - 1;
                    sector += hole - 1;
                    continue;
                }

                ulong hash = hashes is null ? ZeroHash : hashes[piece.Skip + i];
                value += Mix(sector, hash) - Mix(sector, PageOf(sector).Now[sector & (PageSectors - 1)]);
            }
        }

        return value;
    }

    /// <summary>The hashes of changes up to this one are not needed again soon.</summary>
    public void Forget(Func<int, bool> isDone)
    {
        foreach (int record in _changes.Keys.Where(isDone).ToList())
        {
            _changes.Remove(record);
        }
    }

    private static ulong Mix(long sector, ulong hash)
    {
        // Place and content, well spread: sums of these do not cancel by accident.
        ulong x = hash + ((ulong)sector * 0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9;
        x = (x ^ (x >> 27)) * 0x94D0_49BB_1331_11EB;
        return x ^ (x >> 31);
    }

    /// <summary>Zeroes on a hole of the base image that nothing was written to change nothing: how many sectors from here on.</summary>
    private bool StaysHole(long sector, int count, out int hole)
    {
        hole = Math.Min(PageSectors - (int)(sector & (PageSectors - 1)), count);
        return !_pages.ContainsKey(sector >> PageBits) && baseImage.IsHole(sector * Piece.SectorSize, hole * Piece.SectorSize);
    }

    /// <summary>By sector; null for a change that brings zeroes.</summary>
    private ulong[]? HashesOf(int number)
    {
        LogRecord record = index[number];
        if (record.Operation != LogOperation.Write)
        {
            return null;
        }

        if (_changes.TryGetValue(number, out ulong[]? hashes))
        {
            return hashes;
        }

        hashes = new ulong[record.Length / Piece.SectorSize];
        for (long done = 0; done < record.Length;)
        {
            Span<byte> piece = _buffer.AsSpan(0, (int)Math.Min(_buffer.Length, record.Length - done));
            index.Log.ReadData(record, done, piece);
            HashSectors(piece, hashes.AsSpan((int)(done / Piece.SectorSize)));
            done += piece.Length;
        }

        _changes.Add(number, hashes);
        return hashes;
    }

    private Page PageOf(long sector)
    {
        if (!_pages.TryGetValue(sector >> PageBits, out Page? page))
        {
            page = new Page();
            Span<byte> data = _buffer.AsSpan(0, PageSectors * Piece.SectorSize);
            baseImage.ReadPadded((sector >> PageBits << PageBits) * Piece.SectorSize, data);
            HashSectors(data, page.Now);
            _pages.Add(sector >> PageBits, page);
        }

        return page;
    }

    private static void HashSectors(ReadOnlySpan<byte> data, Span<ulong> hashes)
    {
        for (int i = 0; i * Piece.SectorSize < data.Length; i++)
        {
            hashes[i] = XxHash3.HashToUInt64(data.Slice(i * Piece.SectorSize, Piece.SectorSize));
        }
    }

    private sealed class Page
    {
        internal readonly ulong[] Now = new ulong[PageSectors];
    }
}
