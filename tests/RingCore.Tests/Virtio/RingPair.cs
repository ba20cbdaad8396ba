using RingCore.Memory;
using RingCore.Posix;
using RingCore.Virtio;

namespace RingCore.Tests.Virtio;

/// <summary>
/// One ring in shared memory with both its sides, and a driver that builds chains of any shape over it. The memory is a
/// sealed memfd mapped twice, as between two processes.
/// </summary>
internal sealed unsafe class RingPair : IDisposable
{
    public const ulong Iova = 0x1_0000_0000;
    private const int RingArea = 64 * 1024;
    private const int TableArea = 2 * 1024 * 1024;
    private const long Length = RingArea + TableArea + (1 << 20);
    private readonly FileDescriptor _fd;
    private readonly MemoryMapping _mapping;
    private readonly Stack<ushort> _free = new();
    private readonly Dictionary<ushort, ushort[]> _chains = [];

    public RingPair(ushort size, VirtioFeatures features)
    {
        _fd = MemFd.CreateSealed("ring-test", Length);
        _mapping = MemoryMapping.Shared(_fd, 0, (nuint)Length, writable: true);
        Memory = new GuestMemory();
        Memory.Add(Iova, Length, _fd, 0, writable: true);
        int avail = SplitRingLayout.DescriptorTableSize(size);
        int used = (avail + SplitRingLayout.AvailSize(size) + 3) & ~3;
        byte* p = _mapping.Pointer;
        Ring = new SplitRing(size, p, p + avail, p + used);
        Driver = new DriverQueue(Ring, features);
        Device = new DeviceQueue(size, Iova, Iova + (ulong)avail, Iova + (ulong)used, features);
        if (!Device.TryMap(Memory.Current))
        {
            throw new InvalidOperationException("the ring is not in memory");
        }

        for (int i = size - 1; i >= 0; i--)
        {
            _free.Push((ushort)i);
        }
    }

    public GuestMemory Memory { get; }

    public SplitRing Ring { get; }

    public DriverQueue Driver { get; }

    public DeviceQueue Device { get; }

    /// <summary>Start of the area that buffers may lie in.</summary>
    public static ulong Buffers => Iova + RingArea + TableArea;

    /// <summary>Adds a chain of the given segment lengths, readable ones first; false when descriptors are short.</summary>
    public bool TryAdd(ReadOnlySpan<uint> readable, ReadOnlySpan<uint> writable, bool indirect, out ushort head)
    {
        int count = readable.Length + writable.Length;
        int needed = indirect ? 1 : count;
        head = 0;
        if (_free.Count < needed)
        {
            return false;
        }

        ushort[] indexes = new ushort[needed];
        for (int i = 0; i < needed; i++)
        {
            indexes[i] = _free.Pop();
        }

        head = indexes[0];
        Descriptor* table = indirect ? IndirectTable(head) : Ring.Descriptors;
        uint writableLength = 0;
        for (int i = 0; i < count; i++)
        {
            bool write = i >= readable.Length;
            uint length = write ? writable[i - readable.Length] : readable[i];
            writableLength += write ? length : 0;
            int at = indirect ? i : indexes[i];
            table[at] = new Descriptor
            {
                Address = Buffers,
                Length = length,
                Flags = (write ? DescriptorFlags.Write : 0) | (i + 1 < count ? DescriptorFlags.Next : 0),
                Next = (ushort)(i + 1 == count ? 0 : indirect ? i + 1 : indexes[i + 1]),
            };
        }

        if (indirect)
        {
            Ring.Descriptors[head] = new Descriptor
            {
                Address = Iova + (ulong)((byte*)table - _mapping.Pointer),
                Length = (uint)(count * SplitRingLayout.DescriptorSize),
                Flags = DescriptorFlags.Indirect,
            };
        }

        _chains.Add(head, indexes);
        Driver.Add(head, writableLength);
        return true;
    }

    /// <summary>Takes a used chain and frees its descriptors.</summary>
    public bool TryTake(out ushort head, out uint written)
    {
        if (!Driver.TryTakeUsed(out head, out written))
        {
            return false;
        }

        foreach (ushort index in _chains[head])
        {
            _free.Push(index);
        }

        _chains.Remove(head);
        return true;
    }

    /// <summary>The table that the test may fill for a head: 128 descriptors, inside the table area.</summary>
    public Descriptor* IndirectTable(ushort head) => (Descriptor*)(_mapping.Pointer + RingArea + (head * 2048));

    /// <summary>All shared bytes, for hostile tests.</summary>
    public Span<byte> Bytes => new(_mapping.Pointer, (int)Length);

    /// <summary>The part with the ring and the indirect tables of low heads.</summary>
    public Span<byte> RingBytes => Bytes[..(RingArea + 16384)];

    public void Dispose()
    {
        Memory.Dispose();
        _mapping.Dispose();
        _fd.Dispose();
    }
}
