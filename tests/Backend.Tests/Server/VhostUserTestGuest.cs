using System.Buffers.Binary;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Tests.Server;

/// <summary>
/// A guest behind a vhost-user front-end: memory in one sealed memfd, and rings in it that the project's own driver side drives.
/// Guest addresses and the front-end's user addresses differ, as they do in QEMU.
/// </summary>
internal sealed unsafe class VhostUserTestGuest : IDisposable
{
    internal const ulong GuestAddress = 0x4000_0000;
    internal const ulong UserAddress = 0x7f12_0000_0000;
    internal const ulong Size = 1 << 20;
    internal const ushort RingSize = 16;
    internal const int DescriptorsEach = 3;
    internal const int DataBytes = 512;
    private const int RingStride = 0x10000;
    private const int AvailOffset = 0x1000;
    private const int UsedOffset = 0x2000;
    private const int SlotsOffset = 0x4000;
    private const int SlotStride = 0x400;
    private const int StatusOffset = 32;
    private const int DataOffset = 64;
    private const int MaxRings = 4;
    private readonly MemoryMapping _mapping;
    private readonly DriverQueue[] _rings;

    internal VhostUserTestGuest()
    {
        Memory = MemFd.CreateSealed("guest", (long)Size);
        _mapping = MemoryMapping.Shared(Memory, 0, (nuint)Size, writable: true);
        _rings = [.. Enumerable.Range(0, MaxRings).Select(i => new DriverQueue(Raw(i), VirtioFeatures.Version1))];
        Kicks = [.. _rings.Select(_ => new EventFd())];
        Calls = [.. _rings.Select(_ => new EventFd())];
        Errors = [.. _rings.Select(_ => new EventFd())];
    }

    internal FileDescriptor Memory { get; }

    internal EventFd[] Kicks { get; }

    internal EventFd[] Calls { get; }

    internal EventFd[] Errors { get; }

    internal static VhostUserMemoryRegion Region =>
        new() { GuestAddress = GuestAddress, Size = Size, UserAddress = UserAddress };

    internal DriverQueue Ring(int index) => _rings[index];

    /// <summary>The ring's memory, for tests that write what no driver does. Four rings of 64 KiB lie within the mapping.</summary>
    internal SplitRing Raw(int index)
    {
        byte* p = _mapping.Pointer + (index * RingStride);
        return new SplitRing(RingSize, p, p + AvailOffset, p + UsedOffset);
    }

    internal static VhostUserVringAddress Address(int index)
    {
        ulong at = UserAddress + (ulong)(index * RingStride);
        return new VhostUserVringAddress { Index = (uint)index, Descriptors = at, Available = at + AvailOffset, Used = at + UsedOffset };
    }

    internal void Share(VhostUserTestClient client) => Assert.That(client.SetMemTable([Region], Memory), Is.Zero);

    /// <summary>All that a ring needs before its kick.</summary>
    internal void SetUp(VhostUserTestClient client, int index, ushort nextAvail = 0)
    {
        client.Tell(VhostUserRequest.SetVringNum, (uint)index, RingSize);
        client.Tell(VhostUserRequest.SetVringBase, (uint)index, nextAvail);
        Assert.That(client.Result(VhostUserRequest.SetVringAddr, VhostUserTestClient.Bytes(Address(index))), Is.Zero);
        client.Tell(VhostUserRequest.SetVringCall, (ulong)index, Calls[index].Descriptor);
        client.Tell(VhostUserRequest.SetVringErr, (ulong)index, Errors[index].Descriptor);
    }

    internal void Start(VhostUserTestClient client, int index)
    {
        client.Tell(VhostUserRequest.SetVringKick, (ulong)index, Kicks[index].Descriptor);
        client.Tell(VhostUserRequest.SetVringEnable, (uint)index, 1);
    }

    /// <summary>Lays a write of one sector out in a slot (of five) and makes it available; nobody is kicked.</summary>
    internal void AddWrite(int slot, ulong sector, byte value, int queue = 0)
    {
        Ring(queue).Add(LayOut(slot, sector, value, queue), 1);
        Ring(queue).Publish();
    }

    /// <summary>As <see cref="AddWrite"/>, but makes nothing available; returns the chain's head.</summary>
    internal ushort LayOut(int slot, ulong sector, byte value, int queue)
    {
        byte* p = Slot(slot, queue);
        new Span<byte>(p, SlotStride).Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(new Span<byte>(p, 4), (uint)BlkRequestType.Out);
        BinaryPrimitives.WriteUInt64LittleEndian(new Span<byte>(p + 8, 8), sector);
        p[StatusOffset] = 0xFF;
        new Span<byte>(p + DataOffset, DataBytes).Fill(value);
        ushort head = (ushort)(slot * DescriptorsEach);
        Span<Descriptor> d = Ring(queue).Descriptors;
        d[head] = new Descriptor { Address = ToGuest(p), Length = 16, Flags = DescriptorFlags.Next, Next = (ushort)(head + 1) };
        d[head + 1] = new Descriptor
        {
            Address = ToGuest(p + DataOffset), Length = DataBytes, Flags = DescriptorFlags.Next, Next = (ushort)(head + 2),
        };
        d[head + 2] = new Descriptor { Address = ToGuest(p + StatusOffset), Length = 1, Flags = DescriptorFlags.Write };
        return head;
    }

    internal void Write(int slot, ulong sector, byte value, int queue = 0)
    {
        AddWrite(slot, sector, value, queue);
        Kicks[queue].Signal();
    }

    /// <summary>Answers a request in the ring's used part, as a backend before the one that is tested would have; the first one.</summary>
    internal void PublishUsed(int slot, int queue = 0)
    {
        SplitRing ring = Raw(queue);
        ring.UsedEntry(0) = new UsedElement { Id = (uint)(slot * DescriptorsEach), Length = 1 };
        ring.UsedIndex = 1;
    }

    internal BlkStatus StatusOf(int slot, int queue = 0) => (BlkStatus)Slot(slot, queue)[StatusOffset];

    public void Dispose()
    {
        foreach (EventFd fd in (EventFd[])[.. Kicks, .. Calls, .. Errors])
        {
            fd.Dispose();
        }

        _mapping.Dispose();
        Memory.Dispose();
    }

    // Five slots of 1 KiB behind the ring's parts, within the ring's 64 KiB.
    private byte* Slot(int slot, int queue) => _mapping.Pointer + (queue * RingStride) + SlotsOffset + (slot * SlotStride);

    private ulong ToGuest(byte* p) => GuestAddress + (ulong)(p - _mapping.Pointer);
}
