using FuseFront.Fuse.Wire;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>
/// A channel over io_uring: entries, each tied to a slot for good, in which the kernel puts a request's payload and from which
/// it takes the reply's. A reply and the wish for the next request are one ring entry of the loop, which goes to the kernel
/// with the loop's next wait.
/// </summary>
/// <remarks>
/// Serves the FUSE queues of its share of the CPUs (<see cref="FuseUringSupport.QueuesOf"/>), all on one device. The slots of
/// its entries are taken at the start and come back when it is disposed, or when the kernel has given the entry up. After
/// <see cref="Stop"/> the kernel may still put requests into entries that wait for some: they stay unanswered, like those that
/// wait in the kernel over /dev/fuse, until the mount's end fails them.
/// </remarks>
internal sealed unsafe partial class UringFuseChannel : FuseChannel, IRingCompletion
{
    private const int RegisterVectors = 2;
    private const int ScratchLength = 8192;

    private readonly FuseDevice _device;
    private readonly bool _ownsDevice;
    private readonly FuseDirectoryServer _server;
    private readonly DevFuseChannel? _reader;
    private readonly PrivateSlot? _readerSlot;
    private readonly Entry[] _entries;
    private readonly int[] _entryOfSlot;

    // Private memory: the entries' headers, the vectors that tell the kernel of them, and room to put a request together.
    private readonly MemoryMapping _memory;
    private RingClient? _client;
    private int _received;
    private int _latestQueue = -1;
    private bool _running;

    /// <param name="ownsDevice">False for the session's own device, which the first channel uses.</param>
    internal UringFuseChannel(
        FuseSession session, int index, int channels, AioContext context, IFuseSlotSource slots, IFuseDataHandler handler,
        FuseDirectoryServer server, FuseDevice device, bool ownsDevice)
        : base(session, index, context, slots, handler)
    {
        int queues = FuseUringSupport.QueuesOf(index, channels);
        int entriesPerQueue = queues == 0
            ? 0
            : Math.Min(FuseUringSupport.EntriesPerQueue, (slots.SlotCount - FuseUringSupport.SparedSlots) / queues);
        if (queues != 0 && entriesPerQueue == 0)
        {
            throw new ArgumentException($"{slots.SlotCount} slots are too few for {queues} FUSE queues", nameof(slots));
        }

        _device = device;
        _ownsDevice = ownsDevice;
        _server = server;
        _entries = new Entry[queues * entriesPerQueue];
        for (int i = 0; i < _entries.Length; i++)
        {
            _entries[i] = new Entry { QueueId = (ushort)(index + (i / entriesPerQueue * channels)), Slot = -1 };
        }

        _entryOfSlot = new int[slots.SlotCount];
        _memory = MemoryMapping.Anonymous((nuint)(ScratchOffset + ScratchLength));
        if (index == 0)
        {
            // INTERRUPT, FORGET, and the end of the mount.
            _readerSlot = new PrivateSlot(PayloadCapacity);
            _reader = new DevFuseChannel(
                session, index, context, _readerSlot, new NoDataHandler(), server, device, ownsDevice: false, Statistics);
        }
    }

    /// <summary>What has become of an entry.</summary>
    private enum EntryState
    {
        /// <summary>Not known to the kernel: not yet, or no more.</summary>
        Unknown,

        /// <summary>The kernel's, until it has a request.</summary>
        WithKernel,

        /// <summary>Holds a request that is being served.</summary>
        Serving,

        /// <summary>Holds a request that came after <see cref="Stop"/>.</summary>
        LeftAlone,
    }

    /// <summary>FUSE queue n takes the requests of CPU n.</summary>
    public override int SubmitterCpu => _latestQueue;

    private int VectorsOffset => _entries.Length * sizeof(FuseUringHeaders);

    private int ScratchOffset => VectorsOffset + (_entries.Length * RegisterVectors * sizeof(IoVector));

    /// <inheritdoc/>
    public override void Start() => Context.Invoke(() =>
    {
        if (Context.Ring is not { HasLargeEntries: true } ring)
        {
            throw new InvalidOperationException($"The context {Context.Name} has no io_uring with large entries.");
        }

        _running = true;
        _client ??= ring.Register(this, _entries.Length);
        for (int i = 0; i < _entries.Length; i++)
        {
            if (_entries[i].State == EntryState.Unknown && Slots.TryTake(out int slot))
            {
                _entries[i].Slot = slot;
                _entryOfSlot[slot] = i;
                Register(i);
            }
            else if (_entries[i].State == EntryState.LeftAlone)
            {
                Serve(i);
            }
        }

        EndBatch();
        _reader?.Start();
    });

    /// <inheritdoc/>
    public override void Stop() => Context.Invoke(() =>
    {
        _running = false;
        _reader?.Stop();
    });

    /// <summary>Nothing: an entry never waits for a slot.</summary>
    public override void ResumeReceiving()
    {
    }

    /// <summary>Nothing: the kernel hands each queue its requests.</summary>
    internal override void LookOnce()
    {
    }

    /// <summary>
    /// Takes the entries from the kernel, so that it no longer touches their memory. A context that still runs goes on with a
    /// new ring, since there is no other way to cancel them (<see cref="RingClient.Dispose"/>).
    /// </summary>
    public override void Dispose()
    {
        _running = false;
        _client?.Dispose();
        foreach (Entry entry in _entries)
        {
            // One whose request is still served is its handler's until the answer, which does not come any more.
            if (entry.Slot >= 0 && entry.State != EntryState.Serving)
            {
                Slots.Return(entry.Slot);
            }
        }

        _reader?.Dispose();
        _readerSlot?.Dispose();
        if (_ownsDevice)
        {
            _device.Dispose();
        }

        _memory.Dispose();
    }

    // Below: i is an index of _entries, for each of which the mapping has one header and two vectors.
    private FuseUringHeaders* Headers(int i) => (FuseUringHeaders*)_memory.Pointer + i;

    private IoVector* Vectors(int i) => (IoVector*)(_memory.Pointer + VectorsOffset) + (RegisterVectors * i);

    private struct Entry
    {
        internal EntryState State;
        internal ushort QueueId;

        /// <summary>Where its payload is; -1 when it has none.</summary>
        internal int Slot;

        /// <summary>The request that it holds.</summary>
        internal ulong Unique;
        internal ulong CommitId;
    }
}
