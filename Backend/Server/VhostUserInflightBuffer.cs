using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Server;

/// <summary>
/// The buffer in which requests under way are noted: one <see cref="InflightRegion"/> a queue, in memory that the front-end keeps
/// for the next back-end. Disposed only when no ring runs. Server's thread; a region is its queue's.
/// </summary>
internal sealed unsafe class VhostUserInflightBuffer : IDisposable
{
    private readonly MemoryMapping _mapping;
    private readonly InflightRegion[] _regions;

    private VhostUserInflightBuffer(MemoryMapping mapping, int queueCount, ushort queueSize)
    {
        _mapping = mapping;

        // The mapping holds queueCount regions one after another: SizeOf.
        _regions = [.. Enumerable.Range(0, queueCount).Select(i =>
            new InflightRegion(mapping.Pointer + (i * InflightRegion.SizeFor(queueSize)), queueSize))];
    }

    /// <summary>The notes of a queue; null for one that the buffer has none for.</summary>
    public InflightRegion? Region(int queue) => queue < _regions.Length ? _regions[queue] : null;

    /// <summary>Makes the memory of a buffer, all zeros; its size goes into <paramref name="inflight"/>.</summary>
    /// <exception cref="PosixException">EINVAL: more queues than <paramref name="maxQueues"/>, or an impossible queue size.</exception>
    public static FileDescriptor Create(ref VhostUserInflight inflight, int maxQueues)
    {
        inflight.MmapSize = (ulong)SizeOf(inflight, maxQueues);
        inflight.MmapOffset = 0;
        return MemFd.CreateSealed("vhost-user-inflight", (long)inflight.MmapSize);
    }

    /// <summary>Takes a buffer into use. The descriptor stays the caller's.</summary>
    /// <exception cref="PosixException">As <see cref="Create"/>; also EINVAL: too small; EPERM: it can be shrunk.</exception>
    public static VhostUserInflightBuffer Open(in VhostUserInflight inflight, FileDescriptor fd, int maxQueues)
    {
        long size = SizeOf(inflight, maxQueues);
        VhostUserMemory.RequireSeal(fd);
        ulong fileSize = FileIdentity.Of(fd).Size; // After the seal: it cannot get smaller any more.
        bool fits = inflight.MmapSize >= (ulong)size && inflight.MmapOffset % (ulong)Environment.SystemPageSize == 0
            && fileSize >= (ulong)size && inflight.MmapOffset <= fileSize - (ulong)size;
        if (!fits)
        {
            throw new PosixException(Errno.EINVAL, $"inflight buffer: {size} bytes at {inflight.MmapOffset} do not fit");
        }

        MemoryMapping mapping = MemoryMapping.Shared(fd, (long)inflight.MmapOffset, (nuint)size, writable: true);
        return new VhostUserInflightBuffer(mapping, inflight.QueueCount, inflight.QueueSize);
    }

    /// <inheritdoc/>
    public void Dispose() => _mapping.Dispose();

    private static long SizeOf(in VhostUserInflight inflight, int maxQueues)
    {
        bool possible = inflight.QueueCount > 0 && inflight.QueueCount <= maxQueues
            && inflight.QueueSize is > 0 and <= SplitRingLayout.MaxQueueSize;
        return possible
            ? (long)inflight.QueueCount * InflightRegion.SizeFor(inflight.QueueSize)
            : throw new PosixException(Errno.EINVAL, $"inflight buffer of {inflight.QueueCount} queues of {inflight.QueueSize}");
    }
}
