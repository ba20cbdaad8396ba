using BenchmarkDotNet.Attributes;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.Virtio;

namespace Microbench;

/// <summary>
/// Requests through one ring, driver and device on one thread: what the ring itself costs, without wake-ups. A request is a
/// chain as of a read: header, payload, status.
/// </summary>
[MemoryDiagnoser]
public unsafe class RingBenchmarks
{
    private const ulong Iova = 1UL << 32;
    private const int PayloadOffset = 1 << 20;
    private const int Length = 2 << 20;
    private const ushort QueueSize = 256;
    private const int DescriptorsOfChain = 3;
    private readonly DescriptorChain _chain = new();
    private FileDescriptor _fd = null!;
    private MemoryMapping _mapping = null!;
    private GuestMemory _memory = null!;
    private DriverQueue _driver = null!;
    private DeviceQueue _device = null!;

    [Params(1, 32)]
    public int Batch { get; set; }

    [Params(false, true)]
    public bool EventIndex { get; set; }

    [Params(false, true)]
    public bool Indirect { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        VirtioFeatures features = VirtioFeatures.Version1
            | (EventIndex ? VirtioFeatures.EventIndex : 0) | (Indirect ? VirtioFeatures.IndirectDescriptors : 0);
        _fd = MemFd.CreateSealed("microbench", Length);
        _mapping = MemoryMapping.Shared(_fd, 0, Length, writable: true);
        _memory = new GuestMemory();
        _memory.Add(Iova, Length, _fd, 0, writable: true);
        int avail = SplitRingLayout.DescriptorTableSize(QueueSize);
        int used = (avail + SplitRingLayout.AvailSize(QueueSize) + 3) & ~3;
        SplitRing ring = new(QueueSize, _mapping.Pointer, _mapping.Pointer + avail, _mapping.Pointer + used);
        _driver = new DriverQueue(ring, features);
        _device = new DeviceQueue(QueueSize, Iova, Iova + (ulong)avail, Iova + (ulong)used, features);
        _device.TryMap(_memory.Current);
        for (int slot = 0; slot < Batch; slot++)
        {
            LayOut(ring.Descriptors, slot);
        }
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _memory.Dispose();
        _mapping.Dispose();
        _fd.Dispose();
    }

    /// <summary>One batch: add, publish, pop, push, take back, and both notification decisions.</summary>
    [Benchmark(Description = "batch through the ring")]
    public bool Batches()
    {
        for (int slot = 0; slot < Batch; slot++)
        {
            _driver.Add(Head(slot), 4097);
        }

        _driver.Publish();
        bool notified = _driver.ShouldKick();
        while (_device.TryPop(_chain))
        {
            _device.Push(_chain.Head, 4097);
        }

        _device.EnableNotifications();
        notified |= _device.ShouldNotify();
        while (_driver.TryTakeUsed(out _, out _))
        {
            // Taking it back is all that there is to do.
        }

        return notified | _driver.EnableInterrupts();
    }

    private ushort Head(int slot) => (ushort)(Indirect ? slot : slot * DescriptorsOfChain);

    /// <summary>Three descriptors in the ring's table, or in one of their own behind it; both lie inside the mapping.</summary>
    private void LayOut(Descriptor* table, int slot)
    {
        const int IndirectTables = 64 * 1024;
        ushort first = Head(slot);
        if (Indirect)
        {
            int at = IndirectTables + (slot * DescriptorsOfChain * SplitRingLayout.DescriptorSize);
            table[slot] = new Descriptor
            {
                Address = Iova + (ulong)at,
                Length = DescriptorsOfChain * SplitRingLayout.DescriptorSize,
                Flags = DescriptorFlags.Indirect,
            };
            table = (Descriptor*)(_mapping.Pointer + at);
            first = 0;
        }

        ulong payload = Iova + PayloadOffset + ((ulong)slot * 8192);
        table[first] = new Descriptor { Address = payload, Length = 16, Flags = DescriptorFlags.Next, Next = (ushort)(first + 1) };
        table[first + 1] = new Descriptor
        {
            Address = payload + 4096,
            Length = 4096,
            Flags = DescriptorFlags.Next | DescriptorFlags.Write,
            Next = (ushort)(first + 2),
        };
        table[first + 2] = new Descriptor { Address = payload + 16, Length = 1, Flags = DescriptorFlags.Write };
    }
}
