using RingCore.Memory;
using RingCore.Posix;

namespace RingCore.Virtio;

/// <summary>
/// One chain as the device took it: its segments copied out of guest memory and checked, device-readable ones first.
/// Re-used from chain to chain; not thread safe. After <see cref="Read"/> nothing is read from the descriptors again.
/// </summary>
public sealed unsafe class DescriptorChain
{
    /// <summary>Longest chain accepted, indirect or not: that of the largest queue (virtio 1.3 §2.7.5.3.1).</summary>
    public const int MaxSegments = SplitRingLayout.MaxQueueSize;

    private readonly Segment[] _segments = new Segment[MaxSegments];
    private int _count;

    /// <summary>One buffer of a chain: a guest address and a length in bytes.</summary>
    private struct Segment
    {
        public ulong Address;
        public uint Length;
    }

    /// <summary>Head descriptor; goes back with <see cref="DeviceQueue.Push"/>.</summary>
    public ushort Head { get; private set; }

    /// <summary>Number of leading segments that the device may only read.</summary>
    public int ReadableSegments { get; private set; }

    /// <summary>Number of segments.</summary>
    public int Segments => _count;

    /// <summary>Sum of the readable segments in bytes.</summary>
    public ulong ReadableLength { get; private set; }

    /// <summary>Sum of the writable segments in bytes.</summary>
    public ulong WritableLength { get; private set; }

    /// <summary>
    /// Writes the host pieces of [<paramref name="offset"/>, + <paramref name="length"/>) of the readable or of the
    /// writable part to <paramref name="pieces"/>; returns their number, or -1 when the next segment finds no
    /// room at all.
    /// </summary>
    /// <exception cref="RingException">
    /// A byte lies outside guest memory, or may not be accessed so; or one segment is in more pieces than there is room left for.
    /// </exception>
    public int Translate(GuestMemoryMap memory, GuestAccess access, ulong offset, ulong length, Span<IoVector> pieces)
    {
        (int from, int to) = access == GuestAccess.Read ? (0, ReadableSegments) : (ReadableSegments, _count);
        int used = 0;
        for (int i = from; i < to && length > 0; i++)
        {
            ref readonly Segment segment = ref _segments[i];
            if (offset >= segment.Length)
            {
                offset -= segment.Length;
                continue;
            }

            ulong part = Math.Min(segment.Length - offset, length);
            if (used == pieces.Length)
            {
                return -1;
            }

            int n = memory.Translate(segment.Address + offset, part, access, pieces[used..]);
            if (n < 0)
            {
                throw new RingException(
                    $"buffer 0x{segment.Address + offset:x}+{part} is outside guest memory or not {(access == GuestAccess.Read ? "readable" : "writable")}");
            }

            used += n;
            offset = 0;
            length -= part;
        }

        return length == 0 ? used : throw new InvalidOperationException("the range is longer than the chain");
    }

    /// <summary>
    /// Copies <paramref name="destination"/>'s length of bytes out of the readable part, each byte once.
    /// False when the part is shorter.
    /// </summary>
    public bool TryCopyReadable(GuestMemoryMap memory, ulong offset, Span<byte> destination)
    {
        if (offset > ReadableLength || (ulong)destination.Length > ReadableLength - offset)
        {
            return false;
        }

        const int MaxPieces = 64;
        IoVector* pieces = stackalloc IoVector[MaxPieces];
        int count = Translate(memory, GuestAccess.Read, offset, (ulong)destination.Length, new Span<IoVector>(pieces, MaxPieces));
        for (int i = 0; i < count; i++)
        {
            // Translate vouches for Length bytes at Base; CopyTo checks the destination.
            new ReadOnlySpan<byte>(pieces[i].Base, (int)pieces[i].Length).CopyTo(destination);
            destination = destination[(int)pieces[i].Length..];
        }

        return count >= 0;
    }

    /// <summary>Walks the chain at <paramref name="head"/>, which is below the ring's size.</summary>
    internal void Read(in SplitRing ring, ushort head, bool indirectAllowed, GuestMemoryMap memory)
    {
        Head = head;
        _count = 0;
        ReadableSegments = 0;
        ReadableLength = 0;
        WritableLength = 0;

        // head < size and the table is mapped for size entries: in bounds.
        Descriptor first = ring.Descriptors[head];
        if ((first.Flags & DescriptorFlags.Indirect) == 0)
        {
            Walk(ring.Descriptors, ring.Size, first, inIndirectTable: false);
            return;
        }

        if (!indirectAllowed)
        {
            throw new RingException("indirect descriptor without INDIRECT_DESC negotiated");
        }

        if ((first.Flags & DescriptorFlags.Next) != 0)
        {
            throw new RingException("descriptor is both INDIRECT and NEXT");
        }

        if (first.Length == 0 || first.Length % SplitRingLayout.DescriptorSize != 0)
        {
            throw new RingException($"indirect table of {first.Length} bytes is not a whole number of descriptors");
        }

        uint entries = first.Length / SplitRingLayout.DescriptorSize;
        if (entries > MaxSegments)
        {
            throw new RingException($"indirect table of {entries} descriptors, at most {MaxSegments} are allowed");
        }

        if (!memory.TryGetPointer(first.Address, first.Length, GuestAccess.Read, out byte* table))
        {
            throw new RingException($"indirect table 0x{first.Address:x}+{first.Length} is outside guest memory");
        }

        // TryGetPointer vouches for all its entries.
        Walk((Descriptor*)table, (int)entries, ((Descriptor*)table)[0], inIndirectTable: true);
    }

    private void Walk(Descriptor* table, int tableSize, Descriptor current, bool inIndirectTable)
    {
        // A chain that visits more descriptors than the table has must loop.
        for (int steps = 0; ;)
        {
            if ((current.Flags & DescriptorFlags.Indirect) != 0)
            {
                throw new RingException(inIndirectTable ? "nested indirect descriptor" : "indirect descriptor inside a chain");
            }

            Append(current);
            if ((current.Flags & DescriptorFlags.Next) == 0)
            {
                return;
            }

            if (++steps >= tableSize)
            {
                throw new RingException("descriptor chain loops or is longer than its table");
            }

            ushort next = current.Next;
            if (next >= tableSize)
            {
                throw new RingException($"descriptor names next {next} in a table of {tableSize} entries");
            }

            current = table[next]; // next < tableSize, checked on the local copy.
        }
    }

    private void Append(in Descriptor descriptor)
    {
        bool writable = (descriptor.Flags & DescriptorFlags.Write) != 0;
        if (writable)
        {
            WritableLength += descriptor.Length;
        }
        else
        {
            if (ReadableSegments != _count)
            {
                throw new RingException("device-readable descriptor after a device-writable one");
            }

            ReadableSegments++;
            ReadableLength += descriptor.Length;
        }

        _segments[_count++] = new Segment { Address = descriptor.Address, Length = descriptor.Length };
    }
}
