using FuseFront.Driver;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>
/// A block device in this process that does only what a test tells it, right or wrong: kicks and irqs are counted, and
/// requests are taken, answered and forged one by one. Through the transport it keeps to the rules of a reset: it forgets its
/// queues and its memory.
/// </summary>
internal sealed unsafe class FakeDevice : IDriverTransport
{
    private readonly GuestMemory _memory = new();
    private readonly DescriptorChain _chain = new();
    private readonly List<QueueSetup> _setups = [];
    private readonly EventNotifier _connection = new();
    private readonly List<DeviceQueue> _queues = [];
    private IReadOnlyList<EventNotifier> _irqs = [];
    private VirtioFeatures _accepted;
    private byte _status;

    public ulong Capacity { get; set; } = 2048;

    /// <summary>The configuration; <see cref="Capacity"/> is its own.</summary>
    public BlkConfig Config { get; set; } = new() { BlockSize = BlkConfig.SectorSize };

    /// <summary>The connection is at its end: nothing is answered any more.</summary>
    public bool HasHungUp { get; private set; }

    /// <summary>It refuses to be put into service.</summary>
    public bool StartFails { get; init; }

    /// <summary>What it does instead of taking a hint at a placement.</summary>
    public Action? Placed { get; set; }

    /// <summary>Without EVENT_IDX a kick and an irq are wanted each time.</summary>
    public VirtioFeatures OfferedFeatures { get; set; } =
        VirtioFeatures.Version1 | VirtioFeatures.IndirectDescriptors | VirtioFeatures.BlkFlush;

    public int QueueCount { get; set; } = 1;

    public int FirstTwin { get; set; }

    public int Kicks => KicksOf.Sum();

    /// <summary>By virtqueue.</summary>
    public int[] KicksOf { get; } = new int[8];

    public int Resets { get; private set; }

    /// <summary>A reset is never answered.</summary>
    public bool HangsInReset { get; set; }

    /// <summary>Called when the driver resets it, while it still has its memory.</summary>
    public Action? BeforeReset { get; set; }

    /// <summary>Called by each kick.</summary>
    public Action? Kicked { get; set; }

    public bool HasMemory => _memory.Current.Count > 0;

    public EventNotifier? RingErrors { get; } = new();

    public FileDescriptor Connection => _connection.ReadDescriptor;

    public string Description => "fake";

    public byte Status
    {
        get => _status;
        set
        {
            _status = value;
            if (value == 0)
            {
                Reset();
            }
            else if ((value & DeviceStatus.DriverOk) != 0)
            {
                foreach (QueueSetup setup in _setups)
                {
                    DeviceQueue queue = new(setup.Size, setup.DescriptorTable, setup.AvailableRing, setup.UsedRing, _accepted);
                    Assert.That(queue.TryMap(_memory.Current), Is.True);
                    _queues.Add(queue);
                }
            }
        }
    }

    public void AcceptFeatures(VirtioFeatures features) => _accepted = features;

    public BlkConfig ReadConfig() =>
        HasHungUp ? throw new ProtocolException("hung up", Errno.ECONNRESET) : Config with { Capacity = Capacity };

    public ushort MaxQueueSize(int index) => 16;

    public void MapMemory(DmaMemory memory) => _memory.Add(memory.Iova, memory.Length, memory.Descriptor, 0, writable: true);

    public void EnableQueue(in QueueSetup queue) => _setups.Add(queue);

    public void BindInterrupts(EventNotifier config, IReadOnlyList<EventNotifier> queues) =>
        _irqs = StartFails ? throw new ProtocolException("no interrupts") : queues;

    public Action Doorbell(int index)
    {
        int generation = Resets;
        return () =>
        {
            Assert.That(generation, Is.EqualTo(Resets), "a doorbell of before the reset");
            KicksOf[index]++;
            Kicked?.Invoke();
        };
    }

    public void PlaceQueue(int index, PlacementHint hint) => Placed?.Invoke();

    public bool TakesPlacement(int index) => true;

    /// <summary>Has a second virtqueue, which is the first one's twin.</summary>
    public void AddTwin()
    {
        QueueCount = 2;
        Config = Config with { QueueCount = 2 };
        OfferedFeatures |= VirtioFeatures.BlkMultiQueue;
        FirstTwin = 1;
    }

    public void HangUp()
    {
        HasHungUp = true;
        _connection.Signal();
    }

    /// <summary>Takes every request that is there.</summary>
    public IReadOnlyList<FakeRequest> Take()
    {
        List<FakeRequest> taken = [];
        for (int ring = 0; ring < _queues.Count; ring++)
        {
            while (_queues[ring].TryPop(_chain))
            {
                taken.Add(FakeRequest.Of(_chain, _memory.Current) with { Ring = ring });
            }
        }

        return taken;
    }

    /// <summary>Answers a request well (what a read reads begins with its sector's low byte), under another name if a test wants that.</summary>
    public void Answer(FakeRequest request, int? asHead = null, uint? length = null)
    {
        if (request.Type == BlkRequestType.In)
        {
            *(byte*)request.DataAddress = (byte)request.Sector; // The first byte of what may be written.
        }

        End(request, BlkStatus.Ok, asHead, length);
    }

    /// <summary>Ends a request whose data a test has seen to.</summary>
    public void End(FakeRequest request, BlkStatus status, int? asHead = null, uint? length = null)
    {
        *request.Status = (byte)status; // One byte of guest memory, mapped until the reset.
        _queues[request.Ring].Push((ushort)(asHead ?? request.Head), length ?? request.Writable);
    }

    /// <summary>Claims chains that it has not returned.</summary>
    public void JumpAhead(ushort chains, int ring = 0) => _queues[ring].PublishWrongIndex(chains);

    /// <summary>Whether the driver wants an irq for what was returned since the last call.</summary>
    public bool WantsInterrupt(int ring = 0) => _queues[ring].ShouldNotify();

    /// <summary>Raises the queue's irq.</summary>
    public void Interrupt() => _irqs[0].Signal();

    public void Dispose()
    {
        _memory.Dispose();
        _connection.Dispose();
        RingErrors!.Dispose();
    }

    private void Reset()
    {
        if (HangsInReset)
        {
            throw new ProtocolException("the server does not answer RegionWrite", Errno.ETIMEDOUT);
        }

        BeforeReset?.Invoke();
        Resets++;
        _queues.Clear();
        _irqs = [];
        _setups.Clear();
        _memory.Clear();
    }
}

/// <summary>One request as the device finds it.</summary>
/// <param name="Head">The chain's head: with indirect descriptors the slot.</param>
/// <param name="Type">What is asked for.</param>
/// <param name="Sector">Where.</param>
/// <param name="Writable">Bytes that may be written, the status included.</param>
/// <param name="StatusAddress">Where the status goes.</param>
/// <param name="First">The first byte of what is to be written; 0 when there is none.</param>
/// <param name="DataAddress">Where what is read goes.</param>
internal sealed record FakeRequest(
    ushort Head, BlkRequestType Type, ulong Sector, uint Writable, nint StatusAddress, byte First, nint DataAddress)
{
    /// <summary>The data, segment by segment.</summary>
    public IReadOnlyList<(nint Address, int Length)> Data { get; init; } = [];

    /// <summary>The virtqueue that it came through.</summary>
    public int Ring { get; init; }

    public unsafe byte* Status => (byte*)StatusAddress;

    public static unsafe FakeRequest Of(DescriptorChain chain, GuestMemoryMap memory)
    {
        Span<byte> bytes = stackalloc byte[BlkRequestHeader.Size];
        Assert.That(chain.TryCopyReadable(memory, 0, bytes), Is.True);
        BlkRequestHeader header = System.Runtime.InteropServices.MemoryMarshal.Read<BlkRequestHeader>(bytes);
        IoVector status = default;
        chain.Translate(memory, GuestAccess.Write, chain.WritableLength - 1, 1, new Span<IoVector>(ref status));
        IoVector data = default;
        chain.Translate(memory, GuestAccess.Write, 0, 1, new Span<IoVector>(ref data));
        Span<byte> first = stackalloc byte[1];
        bool hasData = chain.TryCopyReadable(memory, BlkRequestHeader.Size, first);
        return new FakeRequest(
            chain.Head, header.Type, header.Sector, (uint)chain.WritableLength, (nint)status.Base,
            hasData ? first[0] : (byte)0, (nint)data.Base)
        {
            Data = Segments(chain, memory, hasData),
        };
    }

    private static unsafe List<(nint Address, int Length)> Segments(DescriptorChain chain, GuestMemoryMap memory, bool isOut)
    {
        IoVector[] pieces = new IoVector[chain.Segments];
        int count = isOut
            ? chain.Translate(memory, GuestAccess.Read, BlkRequestHeader.Size, chain.ReadableLength - BlkRequestHeader.Size, pieces)
            : chain.Translate(memory, GuestAccess.Write, 0, chain.WritableLength - 1, pieces);
        return [.. pieces.Take(count).Select(p => ((nint)p.Base, (int)p.Length))];
    }
}
