using System.Runtime.InteropServices;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// Parts of a vector list by byte position. All methods stay inside the given vectors, and inside the memory that those
/// describe, for which the submitter of the request vouches.
/// </summary>
internal static unsafe class VectorSlice
{
    /// <summary>
    /// Writes to <paramref name="target"/> what <paramref name="source"/> describes from byte <paramref name="skip"/> on, at
    /// most <paramref name="most"/> vectors. Returns their number, and in <paramref name="length"/> their bytes.
    /// </summary>
    internal static int Copy(IoVector* source, int count, long skip, IoVector* target, int most, out long length)
    {
        int n = 0;
        length = 0;
        for (int i = 0; i < count && n < most; i++)
        {
            long size = (long)source[i].Length;
            if (skip >= size)
            {
                skip -= size;
                continue;
            }

            target[n++] = new IoVector(source[i].Base + skip, (nuint)(size - skip));
            length += size - skip;
            skip = 0;
        }

        return n;
    }

    /// <summary>Copies <paramref name="length"/> bytes at position <paramref name="skip"/> to <paramref name="buffer"/>.</summary>
    internal static void Gather(IoVector* vectors, int count, long skip, byte* buffer, long length) =>
        Move(vectors, count, skip, buffer, length, gather: true);

    /// <summary>The other way round.</summary>
    internal static void Scatter(IoVector* vectors, int count, long skip, byte* buffer, long length) =>
        Move(vectors, count, skip, buffer, length, gather: false);

    /// <summary>Zeroes <paramref name="length"/> bytes at position <paramref name="skip"/>.</summary>
    internal static void Clear(IoVector* vectors, int count, long skip, long length)
    {
        for (int i = 0; i < count && length > 0; i++)
        {
            long size = (long)vectors[i].Length;
            if (skip >= size)
            {
                skip -= size;
                continue;
            }

            long piece = Math.Min(size - skip, length);
            NativeMemory.Clear(vectors[i].Base + skip, (nuint)piece);
            length -= piece;
            skip = 0;
        }
    }

    private static void Move(IoVector* vectors, int count, long skip, byte* buffer, long length, bool gather)
    {
        for (int i = 0; i < count && length > 0; i++)
        {
            long size = (long)vectors[i].Length;
            if (skip >= size)
            {
                skip -= size;
                continue;
            }

            long piece = Math.Min(size - skip, length);
            byte* own = vectors[i].Base + skip;
            Buffer.MemoryCopy(gather ? own : buffer, gather ? buffer : own, piece, piece);
            buffer += piece;
            length -= piece;
            skip = 0;
        }
    }
}
