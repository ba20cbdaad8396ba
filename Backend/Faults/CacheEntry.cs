using System.Runtime.InteropServices;
using Backend.Block;

namespace Backend.Faults;

/// <summary>One write, discard or zeroing in the volatile cache. Belongs to <see cref="CacheStore"/> and its lock.</summary>
internal sealed unsafe class CacheEntry : IDisposable
{
    internal CacheEntry(BlockRequest request, long number, int queue)
    {
        Operation = request.Operation;
        Flags = request.Flags & BlockRequestFlags.MayUnmap;
        Offset = request.Offset;
        Length = request.Length;
        Number = number;
        Queue = queue;
        if (Operation == BlockOperation.Write)
        {
            Data = (byte*)NativeMemory.AlignedAlloc((nuint)Length, 4096); // Length bytes, which Gather fills
            VectorSlice.Gather(request.Vectors, request.VectorCount, 0, Data, Length);
        }
    }

    /// <summary>Counts from 1; the order of coming.</summary>
    internal long Number { get; }

    internal int Queue { get; }

    internal BlockOperation Operation { get; }

    internal BlockRequestFlags Flags { get; }

    internal long Offset { get; }

    internal long Length { get; }

    /// <summary><see cref="Length"/> bytes; null for zeroes.</summary>
    internal byte* Data { get; private set; }

    /// <summary>What it takes of the cache's size: zeroes take a sector, so that their number is bounded as well.</summary>
    internal long Cost => Data != null ? Length : 512;

    internal bool Overlaps(CacheEntry other) => Offset < other.Offset + other.Length && other.Offset < Offset + Length;

    public void Dispose()
    {
        NativeMemory.AlignedFree(Data);
        Data = null;
    }
}
