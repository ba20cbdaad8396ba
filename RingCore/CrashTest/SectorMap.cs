namespace RingCore.CrashTest;

/// <summary>
/// Which change each sector's content comes from; 0, and for all that was never set, the base image. Memory goes with the
/// sectors that were set, not with the disk. One thread.
/// </summary>
public sealed class SectorMap
{
    private const int PageBits = 6;
    private const int PageSectors = 1 << PageBits;
    private readonly Dictionary<long, int[]> _pages = [];

    /// <summary>The change, or 0 for the base image.</summary>
    public int this[long sector] => _pages.TryGetValue(sector >> PageBits, out int[]? page) ? page[sector & (PageSectors - 1)] : 0;

    /// <summary>Sets a range.</summary>
    public void Set(long sector, int count, int record)
    {
        for (int i = 0; i < count;)
        {
            long at = sector + i;
            if (!_pages.TryGetValue(at >> PageBits, out int[]? page))
            {
                _pages.Add(at >> PageBits, page = new int[PageSectors]);
            }

            int first = (int)(at & (PageSectors - 1));
            int here = Math.Min(PageSectors - first, count - i);
            page.AsSpan(first, here).Fill(record);
            i += here;
        }
    }

    /// <summary>
    /// As <see cref="Set"/> for a change that brings zeroes: what was never set, and is a hole of the base image, is left out.
    /// A disk that is discarded as a whole, as mkfs does, so costs nothing.
    /// </summary>
    public void SetZeroes(long sector, int count, int record, Func<long, int, bool> isHole)
    {
        for (int i = 0; i < count;)
        {
            long at = sector + i;
            int here = Math.Min(PageSectors - (int)(at & (PageSectors - 1)), count - i);
            if (_pages.ContainsKey(at >> PageBits) || !isHole(at, here))
            {
                Set(at, here, record);
            }

            i += here;
        }
    }

    /// <summary>Some sector of the range has been set.</summary>
    public bool Touches(long sector, long count)
    {
        for (long page = sector >> PageBits; page <= (sector + count - 1) >> PageBits; page++)
        {
            if (_pages.ContainsKey(page))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Every sector that does not come from the base image.</summary>
    public IEnumerable<long> Sectors() =>
        _pages.SelectMany(p => Enumerable.Range(0, PageSectors).Where(i => p.Value[i] != 0).Select(i => (p.Key << PageBits) + i));

    public void Clear() => _pages.Clear();
}
