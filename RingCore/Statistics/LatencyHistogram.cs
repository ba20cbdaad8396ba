using System.Numerics;

namespace RingCore.Statistics;

/// <summary>
/// Counts of durations in log-linear buckets: 32 to each doubling, so a percentile is at most 3.2 % above the truth. From
/// 0 ns to 2^40 ns (18 minutes); what is longer counts in the last bucket, and its true length in <see cref="MaxNs"/>.
/// One thread records, without allocation or lock; any thread may read, and then sees each count as it was at some moment.
/// </summary>
public sealed class LatencyHistogram
{
    private const int SubBits = 5;
    private const int SubBuckets = 1 << SubBits;
    private const int MaxBits = 40;
    private const int Buckets = (MaxBits - SubBits + 1) * SubBuckets;
    private readonly long[] _counts = new long[Buckets];
    private long _max;
    private long _count;
    private long _sum;

    /// <summary>How many durations were recorded.</summary>
    public long Count => Volatile.Read(ref _count); // partner: the recording thread's store in Record

    /// <summary>The longest, in nanoseconds; exact.</summary>
    public long MaxNs => Volatile.Read(ref _max); // partner: the recording thread's store in Record

    /// <summary>The mean, in nanoseconds; 0 when empty.</summary>
    public double MeanNs
    {
        get
        {
            long count = Count;
            return count == 0 ? 0 : (double)Volatile.Read(ref _sum) / count; // partner: the store in Record
        }
    }

    /// <summary>Adds one duration in nanoseconds; a negative one (a clock's step) counts as 0. Recording thread only.</summary>
    public void Record(long ns)
    {
        ns = Math.Max(ns, 0);
        _counts[BucketOf(ns)]++;
        if (ns > _max)
        {
            Volatile.Write(ref _max, ns); // partner: MaxNs
        }

        Volatile.Write(ref _sum, _sum + ns); // partner: MeanNs
        Volatile.Write(ref _count, _count + 1); // partner: Count
    }

    /// <summary>The duration that <paramref name="percent"/> (0 to 100) of all are not longer than, in nanoseconds; 0 when empty.</summary>
    public long PercentileNs(double percent)
    {
        // The sum of the buckets, not Count: the recording thread may be between the two.
        long total = 0;
        foreach (long count in _counts)
        {
            total += count;
        }

        long rank = (long)Math.Ceiling(total * Math.Clamp(percent, 0, 100) / 100);
        long seen = 0;
        for (int bucket = 0; bucket < Buckets && total > 0; bucket++)
        {
            seen += Volatile.Read(ref _counts[bucket]); // partner: Record's increment
            if (seen >= rank && seen > 0)
            {
                return Math.Min(HighestOf(bucket), MaxNs);
            }
        }

        return total == 0 ? 0 : MaxNs;
    }

    /// <summary>Forgets everything. Recording thread only.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        _sum = _max = 0;
        Volatile.Write(ref _count, 0); // partner: Count
    }

    /// <summary>The bucket of a duration: below 32 ns the duration itself, above it the exponent and the five bits after the first.</summary>
    internal static int BucketOf(long ns)
    {
        if (ns >= 1L << MaxBits)
        {
            return Buckets - 1;
        }

        int shift = Math.Max(BitOperations.Log2((ulong)ns) - SubBits, 0);
        return (shift << SubBits) + (int)(ns >> shift);
    }

    /// <summary>The longest duration that falls into a bucket.</summary>
    internal static long HighestOf(int bucket)
    {
        int shift = Math.Max((bucket >> SubBits) - 1, 0);
        long first = (long)(bucket - (shift << SubBits)) << shift;
        return first + (1L << shift) - 1;
    }
}
