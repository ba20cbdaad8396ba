namespace RingCore.Memory;

/// <summary>
/// The doorbells of one region, sorted; what KVM's ioeventfd list is to a virtual machine. Immutable, so any thread may match;
/// a match costs at most four binary searches and allocates nothing.
/// </summary>
/// <typeparam name="T">What a doorbell signals.</typeparam>
public sealed class IoEventFdTable<T>
    where T : class
{
    /// <summary>No doorbell at all.</summary>
    public static readonly IoEventFdTable<T> Empty = new([]);

    private readonly IoEventFd<T>[] _sorted;

    /// <param name="entries">In any order; equal ones may occur.</param>
    public IoEventFdTable(ReadOnlySpan<IoEventFd<T>> entries)
    {
        _sorted = entries.ToArray();
        Array.Sort(_sorted);
    }

    /// <summary>The entries in their order: address, size, match, data, descriptor.</summary>
    public ReadOnlySpan<IoEventFd<T>> Entries => _sorted;

    /// <summary>
    /// What a write rings, or null. Where several entries fit, the first in the order wins: any length before an exact one,
    /// any value before a matched one.
    /// </summary>
    /// <param name="address">Offset of the write in the region.</param>
    /// <param name="size">Its length: 1, 2, 4 or 8 bytes.</param>
    /// <param name="data">The value written, zero-extended.</param>
    public T? Match(ulong address, uint size, ulong data)
    {
        if (_sorted.Length == 0 || size is not (1 or 2 or 4 or 8))
        {
            return null;
        }

        data &= MaskOf(size);
        return Find(address, 0, false, 0) ?? Find(address, 0, true, data)
            ?? Find(address, size, false, 0) ?? Find(address, size, true, data);
    }

    /// <summary>The bits that a write of <paramref name="size"/> bytes has; all of them for 0.</summary>
    internal static ulong MaskOf(uint size) => size is 0 or 8 ? ulong.MaxValue : (1UL << (int)(size * 8)) - 1;

    /// <summary>The first entry with exactly this key: the lower bound of a binary search.</summary>
    private T? Find(ulong address, uint size, bool matchData, ulong data)
    {
        IoEventFd<T>[] sorted = _sorted;
        int low = 0;
        int high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (sorted[middle].CompareKey(address, size, matchData, data) < 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low < sorted.Length && sorted[low].CompareKey(address, size, matchData, data) == 0 ? sorted[low].Target : null;
    }
}
