using RingCore.Posix;

namespace RingCore.Memory;

/// <summary>What a translated range is wanted for.</summary>
public enum GuestAccess
{
    Read,
    Write,
}

/// <summary>
/// An immutable snapshot of the IOVA ranges that are mapped, sorted by address; safe on any thread. Addresses and lengths come
/// from a hostile peer: every check is made so that no sum can overflow.
/// </summary>
public sealed unsafe class GuestMemoryMap
{
    private readonly GuestRegion[] _regions;

    // The region that served last: most lookups hit it again. Any thread may overwrite it at any time; a value is only a
    // guess that is checked before use, so plain reads and writes will do.
    private int _lastHit;

    internal GuestMemoryMap(GuestRegion[] regions, int generation)
    {
        _regions = regions;
        Generation = generation;
    }

    /// <summary>Changes with every map and unmap.</summary>
    public int Generation { get; }

    /// <summary>Number of ranges, those that are present but not accessible included.</summary>
    public int Count => _regions.Length;

    internal ReadOnlySpan<GuestRegion> Regions => _regions;

    /// <summary>
    /// The host address of [iova, iova + length), which must lie within one accessible region that allows
    /// <paramref name="access"/>; false otherwise, overflow included. A zero length needs a mapped <paramref name="iova"/>.
    /// </summary>
    public bool TryGetPointer(ulong iova, ulong length, GuestAccess access, out byte* pointer)
    {
        GuestRegion? region = Find(iova);
        if (region is not null && region.Allows(access))
        {
            // iova lies within the region, so neither difference wraps, and the pointer stays inside its mapping.
            ulong offset = iova - region.Start;
            if (length <= region.Size - offset)
            {
                pointer = region.Pointer + offset;
                return true;
            }
        }

        pointer = null;
        return false;
    }

    /// <summary>
    /// Writes the host pieces of [iova, iova + length), which may cross from one region into the next one, to
    /// <paramref name="pieces"/> and returns their number; -1 when a byte is not mapped for <paramref name="access"/>, the
    /// range overflows, or the pieces do not fit. A zero length gives 0 pieces.
    /// </summary>
    public int Translate(ulong iova, ulong length, GuestAccess access, Span<IoVector> pieces)
    {
        int count = 0;
        while (length > 0)
        {
            GuestRegion? region = Find(iova);
            if (region is null || !region.Allows(access) || count == pieces.Length)
            {
                return -1;
            }

            // As above: the piece ends at the region's end at the latest.
            ulong offset = iova - region.Start;
            ulong piece = Math.Min(length, region.Size - offset);
            pieces[count++] = new IoVector(region.Pointer + offset, (nuint)piece);
            length -= piece;
            if (length > 0 && region.Last == ulong.MaxValue)
            {
                return -1;
            }

            iova += piece;
        }

        return count;
    }

    /// <summary>
    /// The way back: what of [start, start + length) belongs to the region that holds <paramref name="start"/>, if the device may
    /// write there, and pages are small: pinning a part of a huge one pins, and is charged for, all of it. Else empty. Takes time by
    /// the number of regions.
    /// </summary>
    public IoVector ClipToPinnable(byte* start, nuint length)
    {
        foreach (GuestRegion region in _regions)
        {
            // A null pointer allows nothing. The start lies in the region, so neither difference wraps.
            nuint offset = (nuint)(start - region.Pointer);
            if (region.Allows(GuestAccess.Write) && region.HasSmallPages && start >= region.Pointer && offset < region.Size)
            {
                return new IoVector(start, nuint.Min(length, (nuint)region.Size - offset));
            }
        }

        return default;
    }

    /// <summary>The region that holds <paramref name="iova"/>: the last one used, else by binary search.</summary>
    private GuestRegion? Find(ulong iova)
    {
        GuestRegion[] regions = _regions;
        int guess = _lastHit;
        if ((uint)guess < (uint)regions.Length && regions[guess].Contains(iova))
        {
            return regions[guess];
        }

        int found = IndexOf(regions, iova);
        if (found < 0)
        {
            return null;
        }

        _lastHit = found;
        return regions[found];
    }

    /// <summary>Index of the region that holds the address, or the complement of where one that starts there would go.</summary>
    internal static int IndexOf(ReadOnlySpan<GuestRegion> sorted, ulong iova)
    {
        int low = 0;
        int high = sorted.Length - 1;
        while (low <= high)
        {
            int middle = (int)(((uint)low + (uint)high) >> 1);
            GuestRegion region = sorted[middle];
            if (iova < region.Start)
            {
                high = middle - 1;
            }
            else if (iova > region.Last)
            {
                low = middle + 1;
            }
            else
            {
                return middle;
            }
        }

        return ~low;
    }
}
