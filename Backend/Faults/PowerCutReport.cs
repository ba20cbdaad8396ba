using RingCore.Faults;

namespace Backend.Faults;

/// <summary>What a power cut did to the writes that were not stable.</summary>
/// <param name="Keep">What was to survive.</param>
/// <param name="Seed">The chance that chose; the same writes and seed give the same outcome.</param>
/// <param name="HasCache">False for a disk without a volatile cache, which has nothing to lose.</param>
/// <param name="Writes">The unflushed writes, discards and zeroings, in the order of coming.</param>
internal sealed record PowerCutReport(PowerCutKeep Keep, ulong Seed, bool HasCache, IReadOnlyList<CutWrite> Writes)
{
    public int Unflushed => Writes.Count;

    public int Kept => Writes.Count(w => w.Fate == CutFate.Kept);

    public int Torn => Writes.Count(w => w.Fate == CutFate.Torn);

    public int Lost => Writes.Count(w => w.Fate == CutFate.Lost);

    /// <summary>Bytes that did not reach the image.</summary>
    public long LostBytes => Writes.Sum(w => w.Length - w.KeptBytes);

    internal static PowerCutReport WithoutCache(PowerCutKeep keep, ulong seed) => new(keep, seed, false, []);
}

/// <summary>How an unflushed write ended.</summary>
internal enum CutFate
{
    Lost,
    Kept,

    /// <summary>Some of its sectors reached the image.</summary>
    Torn,
}

/// <summary>One unflushed write and its end.</summary>
/// <param name="Number">Counts the writes since the disk was attached, from 1.</param>
/// <param name="Queue">The virtqueue it came through.</param>
/// <param name="Kind"><c>write</c>, <c>discard</c> or <c>write-zeroes</c>.</param>
/// <param name="Offset">Bytes.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Fate">What became of it.</param>
/// <param name="KeptBytes">How much of it reached the image.</param>
/// <param name="Order">Its turn in reaching the image, from 1; 0 for a lost one.</param>
internal sealed record CutWrite(long Number, int Queue, FaultEvent Kind, long Offset, long Length, CutFate Fate, long KeptBytes, int Order);
