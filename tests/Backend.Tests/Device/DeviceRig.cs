using System.Buffers.Binary;
using Backend.Device;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Tests.Device;

/// <summary>
/// A whole virtio-blk device over <see cref="TestTransport"/>, driven through the project's own driver side of the ring. The
/// test's thread is the server's thread; queues live on IOThreads, or on the main context without any.
/// </summary>
internal sealed unsafe class DeviceRig : IDisposable
{
    public const ulong Iova = 0x4000_0000;
    public const ushort QueueSize = 64;
    public const long DiskLength = 1 << 20;
    private const long MemoryLength = 4 << 20;
    private const long QueueStride = 1 << 20;
    private const int DataArea = 32 * 1024;
    private readonly FileDescriptor _fd;
    private readonly MemoryMapping _mapping;
    private readonly IoThread[] _threads;
    private readonly DriverQueue?[] _drivers;
    private readonly ushort[] _nextDescriptor;

    public DeviceRig(int queues = 1, int ioThreads = 1, TestTransport? transport = null, VirtioBlkConfig? config = null, HeldDriver? disk = null)
    {
        _fd = MemFd.CreateSealed("rig", MemoryLength);
        _mapping = MemoryMapping.Shared(_fd, 0, (nuint)MemoryLength, writable: true);
        Transport = transport ?? new TestTransport();
        Transport.Memory.Add(Iova, (ulong)MemoryLength, _fd, 0, writable: true);
        Disk = disk ?? new HeldDriver(DiskLength);
        Main = new AioContext(new AioContextOptions { Name = "rig" });
        _threads = new IoThread[ioThreads];
        for (int i = 0; i < ioThreads; i++)
        {
            _threads[i] = new IoThread(new AioContextOptions { Name = $"rig-{i}" });
        }

        config = (config ?? new VirtioBlkConfig()) with { QueueCount = queues, QueueSize = QueueSize };
        Device = new VirtioBlk(config, Disk, Main, _threads);
        Device.AttachTransport(Transport);
        _drivers = new DriverQueue?[config.VirtqueueCount];
        _nextDescriptor = new ushort[config.VirtqueueCount];
    }

    public TestTransport Transport { get; }

    public HeldDriver Disk { get; }

    public AioContext Main { get; }

    public VirtioBlk Device { get; }

    public static VirtioFeatures AllFeatures =>
        VirtioFeatures.Version1 | VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors | VirtioFeatures.BlkFlush
        | VirtioFeatures.BlkDiscard | VirtioFeatures.BlkWriteZeroes | VirtioFeatures.BlkConfigWce;

    public FileDescriptor MemoryDescriptor => _fd;

    public DriverQueue Driver(int queue = 0) => _drivers[queue]!;

    /// <summary>Does what a driver does up to and with DRIVER_OK.</summary>
    public void Start(VirtioFeatures? features = null, Action? beforeDriverOk = null)
    {
        VirtioFeatures accepted = features ?? AllFeatures;
        Device.WriteStatus(DeviceStatus.Acknowledge, 0);
        Device.WriteStatus(DeviceStatus.Acknowledge | DeviceStatus.Driver, 0);
        byte status = DeviceStatus.Acknowledge | DeviceStatus.Driver | DeviceStatus.FeaturesOk;
        Device.WriteStatus(status, (ulong)accepted);
        Assert.That(Device.Status & DeviceStatus.FeaturesOk, Is.Not.Zero, "features refused");
        for (int i = 0; i < _drivers.Length; i++)
        {
            SetUpQueue(i, accepted);
        }

        beforeDriverOk?.Invoke();
        Device.WriteStatus((byte)(status | DeviceStatus.DriverOk), (ulong)accepted);
    }

    /// <summary>Lays a request out in three descriptors and adds it; returns its number for <see cref="StatusOf"/> and <see cref="Data"/>.</summary>
    public int Add(BlkRequestType type, ulong sector, ReadOnlySpan<byte> write = default, uint readLength = 0, int queue = 0)
    {
        ushort first = _nextDescriptor[queue];
        _nextDescriptor[queue] += 3;
        Assert.That(first + 3, Is.LessThanOrEqualTo(QueueSize), "the rig takes 21 requests");
        int number = first / 3;
        byte* data = DataPointer(queue, number);
        byte* header = data - 64;
        new Span<byte>(header, 64).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(new Span<byte>(header, 4), (uint)type);
        BinaryPrimitives.WriteUInt64LittleEndian(new Span<byte>(header + 8, 8), sector);
        header[32] = 0xFF;
        write.CopyTo(new Span<byte>(data, DataArea));
        uint length = readLength > 0 ? readLength : (uint)write.Length;
        Span<Descriptor> d = Driver(queue).Descriptors;
        d[first] = new Descriptor
        {
            Address = IovaOf(header), Length = 16, Flags = DescriptorFlags.Next, Next = (ushort)(length > 0 ? first + 1 : first + 2),
        };
        d[first + 1] = new Descriptor
        {
            Address = IovaOf(data),
            Length = length,
            Flags = DescriptorFlags.Next | (readLength > 0 ? DescriptorFlags.Write : 0),
            Next = (ushort)(first + 2),
        };
        d[first + 2] = new Descriptor { Address = IovaOf(header + 32), Length = 1, Flags = DescriptorFlags.Write };
        Driver(queue).Add(first, readLength + 1);
        return number;
    }

    /// <summary>Publishes, and rings if the device wants it.</summary>
    public void Kick(int queue = 0)
    {
        Driver(queue).Publish();
        if (Driver(queue).ShouldKick())
        {
            Ring(queue);
        }
    }

    /// <summary>Rings the doorbell: its notifier if one is bound, else by message.</summary>
    public void Ring(int queue = 0)
    {
        if (Transport.Doorbells.TryGetValue(queue, out EventNotifier? doorbell))
        {
            doorbell.Signal();
        }
        else
        {
            Device.NotifyQueue(queue);
        }
    }

    /// <summary>Waits until <paramref name="count"/> chains have come back; returns their request numbers in order.</summary>
    public List<int> Wait(int count, int queue = 0)
    {
        List<int> done = [];
        long deadline = Environment.TickCount64 + 20_000;
        while (true)
        {
            while (Driver(queue).TryTakeUsed(out ushort head, out _))
            {
                done.Add(head / 3);
            }

            if (done.Count >= count)
            {
                Assert.That(done, Has.Count.EqualTo(count));
                return done;
            }

            Assert.That(Environment.TickCount64, Is.LessThan(deadline), $"{done.Count} of {count} requests came back");
            if (!Driver(queue).EnableInterrupts())
            {
                RunMainOrWait(queue);
            }
        }
    }

    /// <summary>Submits one request and waits for its status.</summary>
    public BlkStatus Do(BlkRequestType type, ulong sector, ReadOnlySpan<byte> write = default, uint readLength = 0, int queue = 0)
    {
        int number = Add(type, sector, write, readLength, queue);
        Kick(queue);
        Wait(1, queue);
        return StatusOf(number, queue);
    }

    public BlkStatus StatusOf(int number, int queue = 0) => (BlkStatus)DataPointer(queue, number)[-32];

    /// <summary>The data buffer of a request; 4 KiB are the test's to look at.</summary>
    public Span<byte> Data(int number, int queue = 0) => new(DataPointer(queue, number), 4096);

    /// <summary>A DISCARD or WRITE_ZEROES range as bytes.</summary>
    public static byte[] RangeBytes(ulong sector, uint count, uint flags = 0)
    {
        byte[] bytes = new byte[BlkDiscardSegment.Size];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, sector);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), count);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), flags);
        return bytes;
    }

    public void Dispose()
    {
        Device.Dispose();
        foreach (IoThread thread in _threads)
        {
            thread.Dispose();
        }

        Main.Dispose();
        Transport.Dispose();
        _mapping.Dispose();
        _fd.Dispose();
    }

    private void RunMainOrWait(int queue)
    {
        if (_threads.Length == 0 || Device.DataPlane.IsDisabled)
        {
            Main.Poll(blocking: false);
        }
        else
        {
            Assert.That(Transport.WaitIrq(queue), Is.True, "no interrupt");
        }
    }

    private void SetUpQueue(int index, VirtioFeatures features)
    {
        byte* p = _mapping.Pointer + (index * QueueStride);
        new Span<byte>(p, 16384).Clear();
        VirtQueue queue = Device.Queues[index];
        queue.Size = QueueSize;
        queue.DescriptorTable = IovaOf(p);
        queue.AvailableRing = IovaOf(p + 4096);
        queue.UsedRing = IovaOf(p + 8192);
        queue.Enabled = true;
        _drivers[index] = new DriverQueue(new SplitRing(QueueSize, p, p + 4096, p + 8192), features);
        _nextDescriptor[index] = 0;
    }

    // Three queues' strides and 21 data areas of 40 KiB fit the memory; see the constants.
    private byte* DataPointer(int queue, int number) => _mapping.Pointer + (queue * QueueStride) + 32768 + (number * 40960);

    private ulong IovaOf(byte* p) => Iova + (ulong)(p - _mapping.Pointer);
}
