using RingCore.Memory;
using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Server;

/// <summary>
/// The front-end's memory: each region at its guest address in <see cref="GuestMemory"/>, which is what descriptors say, and
/// known by its user address, which is what ring addresses say. Changed only while no ring runs. Server's thread.
/// </summary>
internal sealed class VhostUserMemory(GuestMemory guest)
{
    /// <summary>What GET_MAX_MEM_SLOTS answers: as many as KVM has for a guest.</summary>
    public const int MaxSlots = 509;

    private readonly List<VhostUserMemoryRegion> _regions = [];

    /// <summary>Regions that are there.</summary>
    public int Count => _regions.Count;

    /// <summary>Maps a region. The descriptor stays the caller's.</summary>
    /// <exception cref="PosixException">
    /// EINVAL: wraps around; EEXIST: overlaps another, at either address; ENOSPC: too many; EPERM: it is not, and cannot be, sealed
    /// against shrinking; others as <see cref="GuestMemory.Add"/>.
    /// </exception>
    public void Add(in VhostUserMemoryRegion region, FileDescriptor fd)
    {
        if (_regions.Count >= MaxSlots)
        {
            throw new PosixException(Errno.ENOSPC, $"map guest memory: {_regions.Count} regions are mapped");
        }

        if (region.Size == 0 || region.UserAddress > ulong.MaxValue - (region.Size - 1) || region.MmapOffset > long.MaxValue)
        {
            throw new PosixException(Errno.EINVAL, $"map guest memory: {region.UserAddress:x}+{region.Size:x} is empty or past the top");
        }

        foreach (ref readonly VhostUserMemoryRegion other in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_regions))
        {
            // Neither wraps around: checked here, and for guest addresses by GuestMemory, which also finds their partial overlaps.
            if (Overlap(region.UserAddress, other.UserAddress, region.Size, other.Size) || region.GuestAddress == other.GuestAddress)
            {
                throw new PosixException(Errno.EEXIST, $"map guest memory: {region.UserAddress:x}+{region.Size:x} overlaps another region");
            }
        }

        RequireSeal(fd);
        guest.Add(region.GuestAddress, region.Size, fd, (long)region.MmapOffset, writable: true);
        _regions.Add(region);
    }

    /// <summary>Unmaps the region with these addresses and this size; false when there is none.</summary>
    public bool Remove(in VhostUserMemoryRegion region)
    {
        (ulong guestAddress, ulong userAddress, ulong size) = (region.GuestAddress, region.UserAddress, region.Size);
        int found = _regions.FindIndex(r => r.GuestAddress == guestAddress && r.UserAddress == userAddress && r.Size == size);
        if (found < 0)
        {
            return false;
        }

        _regions.RemoveAt(found);
        return guest.Remove(guestAddress, size);
    }

    /// <summary>Unmaps all.</summary>
    public void Clear()
    {
        _regions.Clear();
        guest.Clear();
    }

    /// <summary>The guest address of [user, user + length), which must lie within one region.</summary>
    public bool TryToGuest(ulong user, ulong length, out ulong address)
    {
        foreach (ref readonly VhostUserMemoryRegion region in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_regions))
        {
            // Within the region neither difference wraps, nor does the sum: GuestMemory took the region's guest range as a whole.
            ulong offset = user - region.UserAddress;
            if (user >= region.UserAddress && offset < region.Size && length <= region.Size - offset)
            {
                address = region.GuestAddress + offset;
                return true;
            }
        }

        address = 0;
        return false;
    }

    /// <summary>
    /// A front-end that could shrink its memory would end this process by SIGBUS. One that has not sealed it may only have
    /// forgotten to, so it is done for it; whatever cannot be sealed is not mapped.
    /// </summary>
    public static void RequireSeal(FileDescriptor fd)
    {
        if ((MemFd.GetSeals(fd) & MemFdSeals.Shrink) == 0 && !MemFd.TryAddSeals(fd, MemFdSeals.Shrink))
        {
            throw new PosixException(
                Errno.EPERM,
                "map memory of the front-end: it could be shrunk under us, and cannot be sealed against that (F_SEAL_SHRINK); "
                + "use a memfd, in QEMU memory-backend-memfd");
        }
    }

    private static bool Overlap(ulong a, ulong b, ulong sizeA, ulong sizeB) => a < b ? b - a < sizeA : a - b < sizeB;
}
