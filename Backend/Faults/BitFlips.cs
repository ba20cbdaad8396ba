using RingCore.Posix;

namespace Backend.Faults;

/// <summary>Turns bits over in a piece of memory.</summary>
internal static unsafe class BitFlips
{
    /// <summary>
    /// Turns over <paramref name="bits"/> different bits of the bytes [start, start + length) that the vectors describe; all of
    /// them when there are not so many. Stays inside the vectors, for which the submitter of the request vouches.
    /// </summary>
    internal static void Apply(IoVector* vectors, int count, long start, long length, int bits, ulong draw)
    {
        long room = length * 8;
        HashSet<long> chosen = [];
        for (ulong i = 0; chosen.Count < Math.Min(bits, room); i++)
        {
            long bit = FaultRandom.Below(draw, i, room);
            if (chosen.Add(bit))
            {
                Flip(vectors, count, start + (bit >> 3), 1 << (int)(bit & 7));
            }
        }
    }

    private static void Flip(IoVector* vectors, int count, long position, int mask)
    {
        for (int i = 0; i < count; i++)
        {
            long size = (long)vectors[i].Length;
            if (position < size)
            {
                vectors[i].Base[position] ^= (byte)mask;
                return;
            }

            position -= size;
        }
    }
}
