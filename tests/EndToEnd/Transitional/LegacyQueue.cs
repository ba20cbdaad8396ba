using FuseFront.Driver;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace EndToEnd.Transitional;

/// <summary>
/// A queue in the legacy layout (virtio 1.3 §2.7.2): descriptors, available ring right behind, used ring on the next page of
/// 4096 bytes. Behind it lies one request's place.
/// </summary>
internal sealed unsafe class LegacyQueue
{
    /// <summary>Most bytes of one request.</summary>
    public const int MaxTransfer = 64 << 10;

    private const int Page = 4096;
    private readonly LegacyDriver _driver;
    private readonly DmaMemory _memory;
    private readonly DriverQueue _ring;
    private readonly EventNotifier _irq;
    private readonly byte* _head;
    private readonly byte* _data;
    private readonly ushort _index;

    public LegacyQueue(LegacyDriver driver, DmaMemory memory, byte* start, ushort index, ushort size, EventNotifier irq)
    {
        _driver = driver;
        _memory = memory;
        _index = index;
        _irq = irq;
        byte* avail = start + SplitRingLayout.DescriptorTableSize(size);
        _ring = new DriverQueue(new SplitRing(size, start, avail, start + UsedOffset(size)), driver.Features);
        _head = start + RingBytes(size);
        _data = _head + Page;
    }

    /// <summary>Doorbells rung.</summary>
    public int Kicks { get; private set; }

    public static long BytesFor(ushort size) => RingBytes(size) + Page + MaxTransfer;

    public void Write(ulong sector, ReadOnlySpan<byte> data)
    {
        data.CopyTo(new Span<byte>(_data, MaxTransfer)); // throws when it does not fit
        Run(BlkRequestType.Out, sector, data.Length, deviceWrites: false);
    }

    public byte[] Read(ulong sector, int length)
    {
        new Span<byte>(_data, MaxTransfer).Clear();
        Run(BlkRequestType.In, sector, length, deviceWrites: true);
        return new Span<byte>(_data, MaxTransfer)[..length].ToArray();
    }

    public void Flush() => Run(BlkRequestType.Flush, 0, 0, deviceWrites: false);

    private static int UsedOffset(ushort size) =>
        PageUp(SplitRingLayout.DescriptorTableSize(size) + SplitRingLayout.AvailSize(size));

    private static int RingBytes(ushort size) => UsedOffset(size) + PageUp(SplitRingLayout.UsedSize(size));

    private static int PageUp(int bytes) => (bytes + Page - 1) & ~(Page - 1);

    /// <summary>One request from its chain of header, data and status to its end.</summary>
    private void Run(BlkRequestType type, ulong sector, int length, bool deviceWrites)
    {
        const int StatusOffset = BlkRequestHeader.Size;
        *(BlkRequestHeader*)_head = new BlkRequestHeader { Type = type, Sector = sector };
        _head[StatusOffset] = byte.MaxValue;
        Span<Descriptor> chain = _ring.Descriptors;
        chain[0] = new Descriptor
        {
            Address = _memory.IovaOf(_head), Length = BlkRequestHeader.Size, Flags = DescriptorFlags.Next, Next = (ushort)(length == 0 ? 2 : 1),
        };
        chain[1] = new Descriptor
        {
            Address = _memory.IovaOf(_data), Length = (uint)length, Flags = DescriptorFlags.Next | (deviceWrites ? DescriptorFlags.Write : 0), Next = 2,
        };
        chain[2] = new Descriptor { Address = _memory.IovaOf(_head + StatusOffset), Length = 1, Flags = DescriptorFlags.Write };
        _ring.Add(0, deviceWrites ? (uint)length + 1 : 1);
        _ring.Publish();
        if (_ring.ShouldKick())
        {
            Kick();
        }

        Finish();
        Assert.That(_head[StatusOffset], Is.EqualTo((byte)BlkStatus.Ok), $"{type} at {sector}");
    }

    private void Kick()
    {
        EventFd? doorbell = _driver.Match(_index);
        Assert.That(doorbell, Is.Not.Null, $"the doorbell table has queue {_index}");
        Kicks++;
        doorbell!.Signal();
    }

    private void Finish()
    {
        long deadline = Environment.TickCount64 + (long)Tool.StandardTimeout.TotalMilliseconds;
        while (!_ring.EnableInterrupts())
        {
            Assert.That(Environment.TickCount64, Is.LessThan(deadline), $"queue {_index}: no interrupt");
            _irq.ReadDescriptor.WaitReadable(TimeSpan.FromSeconds(1));
            _irq.TestAndClear();
            _driver.EndInterrupt();
        }

        _ring.DisableInterrupts();
        Assert.That(_ring.TryTakeUsed(out _, out _), Is.True);
    }
}
