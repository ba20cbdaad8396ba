using System.Numerics;
using NLog;
using RingCore.Posix;

namespace RingCore.Memory;

/// <summary>
/// The guest memory of one client: the owner of the mappings. Changed by one thread (the server's), read by any through
/// <see cref="Current"/>. Whoever removes a region has first made sure that nobody uses pointers into it.
/// </summary>
/// <remarks>
/// Memory that another process can shrink is a trap: touching a page past its new end raises SIGBUS, which kills this
/// process. So a descriptor must carry F_SEAL_SHRINK (memfds only) unless <c>allowUnsealed</c> was given, which is for clients
/// that are trusted not to shrink their memory (a file on tmpfs or hugetlbfs knows no seals).
/// </remarks>
public sealed class GuestMemory : IDisposable
{
    /// <summary>The most ranges at a time (vfio-user's default for max_dma_maps).</summary>
    public const int DefaultMaxRegions = 65535;

    /// <summary>
    /// The most ranges with memory behind them. The kernel allows a process 65530 mappings (vm.max_map_count); the runtime
    /// needs its share, or a client could starve it.
    /// </summary>
    public const int MaxMappedRegions = 32768;

    /// <summary>The largest range: 8 TiB.</summary>
    public const ulong MaxRegionSize = 8UL << 40;

    /// <summary>Ranges with memory begin and end on this boundary, as the negotiated page size (4 KiB) says.</summary>
    public const ulong PageSize = 4096;

    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly bool _allowUnsealed;
    private readonly int _maxRegions;
    private GuestMemoryMap _current = new([], 0);
    private int _mapped;

    /// <param name="allowUnsealed">Accept memory that its owner could shrink; see the remarks of this class.</param>
    /// <param name="maxRegions">The most ranges at a time.</param>
    public GuestMemory(bool allowUnsealed = false, int maxRegions = DefaultMaxRegions)
    {
        _allowUnsealed = allowUnsealed;
        _maxRegions = maxRegions;
    }

    /// <summary>The snapshot that is valid now. Any thread.</summary>
    // Partner: the Volatile.Write in Publish; a reader that sees the new snapshot sees all it points to.
    public GuestMemoryMap Current => Volatile.Read(ref _current);

    /// <summary>
    /// Maps a range. A null <paramref name="fd"/> records it as present but not directly accessible. The descriptor stays the
    /// caller's and may be closed afterwards. An identical range is accepted again without effect.
    /// </summary>
    /// <param name="iova">First address of the range.</param>
    /// <param name="size">Length in bytes.</param>
    /// <param name="fd">The memory: a memfd sealed against shrinking.</param>
    /// <param name="offset">Where the range begins in it.</param>
    /// <param name="writable">The device may write to the range.</param>
    /// <exception cref="PosixException">
    /// EINVAL: empty, wraps around, not aligned to pages, past the end of the file; EEXIST: overlaps another range; ENOSPC: too
    /// large or too many; EPERM: not sealed; the errno of mmap(2) otherwise.
    /// </exception>
    public void Add(ulong iova, ulong size, FileDescriptor? fd, long offset, bool writable)
    {
        CheckRange(iova, size, fd, offset);
        FileIdentity? file = fd is null ? null : Identify(fd);
        ReadOnlySpan<GuestRegion> old = Current.Regions;
        int place = GuestMemoryMap.IndexOf(old, iova);
        if (place >= 0 && old[place].IsIdentical(iova, size, file, offset, writable))
        {
            return;
        }

        if (place >= 0 || (~place < old.Length && old[~place].Start <= iova + (size - 1)))
        {
            throw new PosixException(Errno.EEXIST, $"map guest memory {iova:x}+{size:x}: overlaps a mapped range");
        }

        if (old.Length >= _maxRegions || (fd is not null && _mapped >= MaxMappedRegions))
        {
            throw new PosixException(Errno.ENOSPC, $"map guest memory: {old.Length} ranges are mapped");
        }

        GuestRegion region = fd is null
            ? new GuestRegion(iova, size, writable)
            : MapFile(iova, size, fd, file!.Value, offset, writable);
        GuestRegion[] regions = new GuestRegion[old.Length + 1];
        old[..~place].CopyTo(regions);
        regions[~place] = region;
        old[~place..].CopyTo(regions.AsSpan(~place + 1));
        _mapped += region.IsMapped ? 1 : 0;
        Publish(regions);
        Log.Debug("guest memory {0:x}+{1:x} mapped, accessible {2}, writable {3}", iova, size, region.IsMapped, writable);
    }

    /// <summary>Removes exactly this range; false when there is none.</summary>
    public bool Remove(ulong iova, ulong size)
    {
        ReadOnlySpan<GuestRegion> old = Current.Regions;
        int place = GuestMemoryMap.IndexOf(old, iova);
        if (place < 0 || old[place].Start != iova || old[place].Size != size)
        {
            return false;
        }

        GuestRegion gone = old[place];
        Publish([.. old[..place], .. old[(place + 1)..]]);
        Unmap(gone);
        Log.Debug("guest memory {0:x}+{1:x} unmapped", iova, size);
        return true;
    }

    /// <summary>Removes every range.</summary>
    public void Clear()
    {
        ReadOnlySpan<GuestRegion> old = Current.Regions;
        if (old.IsEmpty)
        {
            return;
        }

        Publish([]);
        foreach (GuestRegion region in old)
        {
            Unmap(region);
        }
    }

    /// <summary>As <see cref="Clear"/>.</summary>
    public void Dispose() => Clear();

    private static void CheckRange(ulong iova, ulong size, FileDescriptor? fd, long offset)
    {
        if (size > MaxRegionSize)
        {
            throw new PosixException(Errno.ENOSPC, $"map guest memory {iova:x}+{size:x}: larger than 8 TiB");
        }

        if (size == 0 || iova > ulong.MaxValue - (size - 1))
        {
            throw new PosixException(Errno.EINVAL, $"map guest memory {iova:x}+{size:x}: empty or past the top");
        }

        if (fd is not null && (((iova | size | (ulong)offset) & (PageSize - 1)) != 0 || offset < 0))
        {
            throw new PosixException(Errno.EINVAL, $"map guest memory {iova:x}+{size:x} at {offset:x}: not page aligned");
        }
    }

    /// <summary>Looks for the seal first: only then does the size that is read hold.</summary>
    private FileIdentity Identify(FileDescriptor fd)
    {
        if (!_allowUnsealed && (MemFd.GetSeals(fd) & MemFdSeals.Shrink) == 0)
        {
            throw new PosixException(Errno.EPERM, "map guest memory: it is not sealed against shrinking (F_SEAL_SHRINK)");
        }

        return FileIdentity.Of(fd);
    }

    private static GuestRegion MapFile(ulong iova, ulong size, FileDescriptor fd, FileIdentity file, long offset, bool writable)
    {
        if (file.Size < size || (ulong)offset > file.Size - size)
        {
            throw new PosixException(Errno.EINVAL, $"map guest memory: {offset:x}+{size:x} is past the file's {file.Size:x}");
        }

        // hugetlbfs maps whole huge pages only, and tells their size as its block size: map a little more around the range.
        ulong granule = BitOperations.IsPow2(file.BlockSize) && file.BlockSize is > 4096 and <= 1U << 30 ? file.BlockSize : PageSize;
        ulong lead = (ulong)offset & (granule - 1);
        ulong length = (lead + size + granule - 1) & ~(granule - 1);
        MemoryMapping mapping = MemoryMapping.Shared(fd, offset - (long)lead, (nuint)length, writable);
        return new GuestRegion(iova, size, mapping, (nuint)lead, file, offset, writable);
    }

    private void Unmap(GuestRegion region)
    {
        _mapped -= region.IsMapped ? 1 : 0;
        region.Unmap();
    }

    private void Publish(GuestRegion[] regions) =>
        // Partner: the Volatile.Read in Current.
        Volatile.Write(ref _current, new GuestMemoryMap(regions, _current.Generation + 1));
}
