using System.Runtime.InteropServices;
using NLog;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace FuseFront.Driver;

/// <summary>
/// Drives a block device that another process serves over vhost-user. There are no registers: features, memory and rings are
/// told in messages, doorbells and interrupts are eventfds that both sides hold. The device's status is kept here where the
/// back end keeps none (no STATUS).
/// </summary>
/// <remarks>
/// A reset ends the session and begins a new one when the device is next spoken to. Of all that the protocol has for it, only
/// this is sure to find a back end that has finished with the memory: RESET_OWNER means different things to different back ends,
/// RESET_DEVICE is seldom there, and GET_VRING_BASE stops a ring without saying what becomes of requests under way.
/// </remarks>
public sealed class VhostUserTransport : IDriverTransport
{
    private const int MaxRings = (int)VhostUserVringFd.IndexMask + 1;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly string _path;
    private readonly Epoll _watch = new(capacity: 1);
    private readonly EventNotifier _ringErrors = new();
    private readonly SortedDictionary<int, EventFd> _kicks = [];
    private VhostUserClient? _client;
    private byte _status;

    /// <summary>Connects, waiting up to <paramref name="patience"/> for a back end that is only just starting.</summary>
    /// <exception cref="PosixException">Nobody serves at <paramref name="path"/>.</exception>
    /// <exception cref="ProtocolException">It is no back end of a block device.</exception>
    public VhostUserTransport(string path, TimeSpan patience)
    {
        _path = path;
        try
        {
            Connect(patience);
        }
        catch
        {
            _watch.Dispose();
            _ringErrors.Dispose();
            throw;
        }
    }

    public string Description => "virtio-blk over vhost-user";

    /// <summary>Readable at the end of the session's socket: sessions change, this does not.</summary>
    public FileDescriptor Connection => _watch.Descriptor;

    public EventNotifier? RingErrors => _ringErrors;

    public byte Status
    {
        get => HasStatus ? (byte)Client.AskU64(VhostUserRequest.GetStatus) : _status;
        set
        {
            if (value == 0)
            {
                Reset();
                return;
            }

            if ((value & DeviceStatus.DriverOk) != 0 && (_status & DeviceStatus.DriverOk) == 0)
            {
                StartRings();
            }

            _status = value;
            if (HasStatus)
            {
                Client.Tell(VhostUserRequest.SetStatus, (ulong)value);
            }
        }
    }

    public VirtioFeatures OfferedFeatures => Client.BackendFeatures & ~VirtioFeatures.VhostUserProtocolFeatures;

    public int QueueCount => Client.ProtocolFeatures.HasFlag(VhostUserProtocolFeatures.MultiQueue)
        ? (int)Math.Min(Client.AskU64(VhostUserRequest.GetQueueNum), MaxRings)
        : 1;

    private VhostUserClient Client => _client ?? Connect(TimeSpan.Zero);

    private bool HasStatus => Client.ProtocolFeatures.HasFlag(VhostUserProtocolFeatures.Status);

    /// <summary>With the bit of the protocol's own features, rings wait until they are enabled.</summary>
    public void AcceptFeatures(VirtioFeatures features) =>
        Client.Tell(VhostUserRequest.SetFeatures, (ulong)(features | VirtioFeatures.VhostUserProtocolFeatures));

    public BlkConfig ReadConfig()
    {
        BlkConfig config = default;
        Client.ReadConfig(MemoryMarshal.AsBytes(new Span<BlkConfig>(ref config)));
        return config;
    }

    /// <summary>The protocol has no question for it: what the ring's layout allows.</summary>
    public ushort MaxQueueSize(int index) => SplitRingLayout.MaxQueueSize;

    /// <summary>One region, whose user addresses are its guest addresses: nothing of this process's own is told.</summary>
    public void MapMemory(DmaMemory memory)
    {
        VhostUserMemoryTable table = new() { Count = 1 };
        VhostUserMemoryRegion region = new() { GuestAddress = memory.Iova, Size = memory.Length, UserAddress = memory.Iova };
        Span<byte> payload =
        [
            .. MemoryMarshal.AsBytes(new ReadOnlySpan<VhostUserMemoryTable>(in table)),
            .. MemoryMarshal.AsBytes(new ReadOnlySpan<VhostUserMemoryRegion>(in region)),
        ];
        Client.Tell(VhostUserRequest.SetMemTable, payload, [memory.Descriptor]);
    }

    public void EnableQueue(in QueueSetup queue)
    {
        uint index = (uint)queue.Index;
        Client.Tell(VhostUserRequest.SetVringNum, new VhostUserVringState { Index = index, Value = queue.Size });
        Client.Tell(VhostUserRequest.SetVringBase, new VhostUserVringState { Index = index });
        Client.Tell(VhostUserRequest.SetVringAddr, new VhostUserVringAddress
        {
            Index = index,
            Descriptors = queue.DescriptorTable,
            Available = queue.AvailableRing,
            Used = queue.UsedRing,
        });
        _kicks.Add(queue.Index, new EventFd());
    }

    /// <summary>Changes of the configuration are not told: the back end would need a socket of its own for it.</summary>
    public void BindInterrupts(EventNotifier config, IReadOnlyList<EventNotifier> queues)
    {
        for (int i = 0; i < queues.Count; i++)
        {
            Client.Tell(VhostUserRequest.SetVringCall, (ulong)i, [queues[i].WriteDescriptor]);
            Client.Tell(VhostUserRequest.SetVringErr, (ulong)i, [_ringErrors.WriteDescriptor]);
        }
    }

    public Action Doorbell(int index)
    {
        EventFd kick = _kicks[index];
        return () => kick.Signal();
    }

    /// <summary>The protocol has no way to say it.</summary>
    public void PlaceQueue(int index, PlacementHint hint)
    {
    }

    public bool TakesPlacement(int index) => false;

    public void Dispose()
    {
        Close();
        _watch.Dispose();
        _ringErrors.Dispose();
    }

    /// <summary>The device is complete: from now on a kick starts a ring.</summary>
    private void StartRings()
    {
        foreach ((int index, EventFd kick) in _kicks)
        {
            Client.Tell(VhostUserRequest.SetVringKick, (ulong)index, [kick.Descriptor]);
            Client.Tell(VhostUserRequest.SetVringEnable, new VhostUserVringState { Index = (uint)index, Value = 1 });
        }
    }

    private void Reset()
    {
        try
        {
            if ((_status & DeviceStatus.DriverOk) != 0)
            {
                _client?.End();
            }
        }
        finally
        {
            // A session that has seen features or memory is used up too, only nobody has to be waited for.
            if (_status != 0)
            {
                Close();
            }

            _status = 0;
        }
    }

    private VhostUserClient Connect(TimeSpan patience)
    {
        VhostUserClient client = new(UnixSocket.Connect(_path, patience));
        _watch.Add(client.Descriptor, PollEvents.PeerEnd, 0);
        Log.Debug("connected to {0}", _path);
        return _client = client;
    }

    private void Close()
    {
        if (_client is { } client)
        {
            _watch.Remove(client.Descriptor);
            client.Dispose();
            _client = null;
        }

        _ringErrors.TestAndClear(); // Of rings that are no more.
        foreach (EventFd kick in _kicks.Values)
        {
            kick.Dispose();
        }

        _kicks.Clear();
    }
}
