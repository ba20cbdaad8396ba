using System.Runtime.InteropServices;
using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Tests.Server;

/// <summary>The front-end's memory: tables and slots, good ones and lying ones. None may end this process by SIGBUS.</summary>
public partial class VhostUserMemoryTests : VhostUserFixture
{
    private const ulong Page = 4096;

    [Test]
    public void Table_replaces_the_one_before()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        FileDescriptor fd = Sealed(16 * Page);
        Assert.That(client.SetMemTable([At(0, 2), At(4, 2)], fd, fd), Is.Zero);
        Assert.That(Memory.Current.Count, Is.EqualTo(2));
        Assert.That(client.SetMemTable([At(8, 2)], fd), Is.Zero);
        Assert.That(Memory.Current.Count, Is.EqualTo(1));
        Assert.That(client.SetMemTable([]), Is.Zero);
        Assert.That(Memory.Current.Count, Is.Zero);
    }

    [Test]
    public void Slots_come_and_go()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        FileDescriptor fd = Sealed(1024 * Page);
        int most = (int)client.AskU64(VhostUserRequest.GetMaxMemSlots);
        for (int i = 0; i < most; i++)
        {
            Assert.That(client.AddMemory(At((ulong)i * 2, 1), fd), Is.Zero, $"slot {i}");
        }

        Assert.That(client.AddMemory(At((ulong)most * 2, 1), fd), Is.EqualTo(Errno.ENOSPC));
        Assert.That(client.RemoveMemory(At(0, 2)), Is.EqualTo(Errno.ENOENT), "another size");
        VhostUserMemoryRegion elsewhere = At(0, 1);
        elsewhere.UserAddress += Page;
        Assert.That(client.RemoveMemory(elsewhere), Is.EqualTo(Errno.ENOENT), "another user address");
        Assert.That(client.RemoveMemory(At(0, 1)), Is.Zero);
        Assert.That(client.RemoveMemory(At(0, 1)), Is.EqualTo(Errno.ENOENT), "it is gone");
        Assert.That(client.AddMemory(At(0, 1), fd), Is.Zero);
        Assert.That(Memory.Current.Count, Is.EqualTo(most));
    }

    [Test]
    public void Ring_goes_on_when_memory_comes_and_waits_while_its_own_is_gone()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        guest.Write(0, 0, 1);
        WaitUsed(guest, 1);
        VhostUserMemoryRegion more = VhostUserTestGuest.Region;
        more.GuestAddress += 1UL << 32;
        more.UserAddress += 1UL << 32;
        Assert.That(client.AddMemory(more, guest.Memory), Is.Zero);
        guest.Write(1, 1, 1);
        WaitUsed(guest, 1);
        Assert.That(client.RemoveMemory(VhostUserTestGuest.Region), Is.Zero);
        guest.Write(2, 2, 1);
        TurnAWhile();
        Assert.That(Disk.Log, Has.Count.EqualTo(2), "its ring is nowhere");
        guest.Share(client);
        Assert.That(WaitUsed(guest, 1), Is.EqualTo((int[])[2]));
    }

    [Test]
    public void Buffer_outside_the_memory_breaks_its_ring_and_nothing_else()
    {
        (_, VhostUserTestGuest guest) = Start();
        guest.AddWrite(0, 0, 1);
        guest.Ring(0).Descriptors[1].Address = VhostUserTestGuest.GuestAddress + VhostUserTestGuest.Size - 1;
        guest.Kicks[0].Signal();
        TurnUntil(() => guest.Errors[0].TestAndClear(), "the error");
        guest.Write(0, 0, 1, queue: 1);
        WaitUsed(guest, 1, queue: 1);
    }

    [Test]
    public void Overlapping_regions_are_refused_at_either_address()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        FileDescriptor fd = Sealed(16 * Page);
        Assert.That(client.AddMemory(At(4, 4), fd), Is.Zero);
        foreach ((ulong guest, ulong user) in ((ulong, ulong)[])[(4, 100), (7, 100), (100, 4), (100, 7), (3, 100), (100, 3)])
        {
            VhostUserMemoryRegion region = At(guest, 2);
            region.UserAddress = At(user, 2).UserAddress;
            region.MmapOffset = 0;
            Assert.That(client.AddMemory(region, fd), Is.EqualTo(Errno.EEXIST), $"{guest}, {user}");
        }

        Assert.That(Memory.Current.Count, Is.EqualTo(1));
    }

    [TestCase(0UL, 0UL, 0UL, TestName = "Empty")]
    [TestCase(0UL, 17UL * Page, 0UL, TestName = "Larger_than_its_file")]
    [TestCase(0UL, Page, 16UL * Page, TestName = "Behind_its_file")]
    [TestCase(0UL, Page, ulong.MaxValue - Page + 1, TestName = "Offset_past_the_top")]
    [TestCase(0UL, Page, 1UL << 63, TestName = "Negative_offset")]
    [TestCase(0UL, Page, 1UL, TestName = "Offset_within_a_page")]
    [TestCase(1UL, Page, 0UL, TestName = "Address_within_a_page")]
    [TestCase(0UL, Page + 1, 0UL, TestName = "Size_within_a_page")]
    [TestCase(ulong.MaxValue - Page + 1, 2 * Page, 0UL, TestName = "Past_the_top")]
    [TestCase(0UL, ulong.MaxValue, 0UL, TestName = "As_large_as_all")]
    [TestCase(0UL, ulong.MaxValue & ~(Page - 1), 0UL, TestName = "Almost_as_large_as_all")]
    public void Region_that_cannot_be_is_refused(ulong address, ulong size, ulong offset)
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        FileDescriptor fd = Sealed(16 * Page);
        VhostUserMemoryRegion region = new() { GuestAddress = address, Size = size, UserAddress = address, MmapOffset = offset };
        Assert.That(client.AddMemory(region, fd), Is.AnyOf(Errno.EINVAL, Errno.ENOSPC));
        Assert.That(client.SetMemTable([At(0, 1), region], fd, fd), Is.AnyOf(Errno.EINVAL, Errno.ENOSPC, Errno.EEXIST));
        Assert.That(Memory.Current.Count, Is.Zero, "half a table is none");
    }

    [Test]
    public void Region_whose_user_addresses_wrap_around_is_refused()
    {
        VhostUserMemoryRegion region = At(0, 2);
        region.UserAddress = ulong.MaxValue - Page + 1;
        Assert.That(ConnectAndNegotiate().AddMemory(region, Sealed(2 * Page)), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void Table_that_does_not_say_what_it_brings_is_refused()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        FileDescriptor fd = Sealed(16 * Page);
        Assert.That(client.SetMemTable([At(0, 1)]), Is.EqualTo(Errno.EINVAL), "no descriptor");
        Assert.That(client.SetMemTable([At(0, 1)], fd, fd), Is.EqualTo(Errno.EINVAL), "two descriptors");
        byte[] table = VhostUserTestClient.MemTable([At(0, 1), At(2, 1)]);
        Assert.That(client.Result(VhostUserRequest.SetMemTable, table[..^1], fd, fd), Is.EqualTo(Errno.EINVAL), "cut short");
        MemoryMarshal.Write(table, uint.MaxValue);
        Assert.That(client.Result(VhostUserRequest.SetMemTable, table, fd, fd), Is.EqualTo(Errno.EINVAL), "4 billion regions");
        Assert.That(client.Result(VhostUserRequest.SetMemTable, [], fd), Is.EqualTo(Errno.EINVAL), "empty");
    }

    [Test]
    public void Memory_that_is_not_sealed_is_sealed_before_it_is_mapped()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        FileDescriptor fd = Own(Unsealed(16 * (long)Page));
        Assert.That(client.AddMemory(At(0, 16), fd), Is.Zero);
        Assert.That(FTruncate(fd.Number, 0), Is.EqualTo(-1), "nobody can shrink it any more");
        Assert.That(MemFd.GetSeals(fd) & MemFdSeals.Shrink, Is.Not.EqualTo(MemFdSeals.None));
    }

    [Test]
    public void Memory_that_was_shrunk_before_is_as_large_as_it_is()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        FileDescriptor fd = Own(Unsealed(16 * (long)Page));
        Assert.That(FTruncate(fd.Number, (long)Page), Is.Zero);
        Assert.That(client.AddMemory(At(0, 16), fd), Is.EqualTo(Errno.EINVAL));
        VhostUserMemoryRegion first = At(0, 1);
        first.MmapOffset = 0;
        Assert.That(client.AddMemory(first, fd), Is.Zero);
    }

    [TestCase("/dev/shm"), TestCase("/tmp")]
    public void Memory_that_cannot_be_sealed_is_refused(string folder)
    {
        string path = Path.Combine(folder, $"vhost-user-{Guid.NewGuid():N}");
        using (FileStream file = File.Create(path))
        {
            file.SetLength((long)Page);
        }

        try
        {
            FileDescriptor fd = Own(FileDescriptor.Open(path, OpenFlags.ReadWrite));
            Assert.That(ConnectAndNegotiate().AddMemory(At(0, 1), fd), Is.EqualTo(Errno.EPERM));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void Descriptor_that_is_no_memory_is_refused()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        FileDescriptor nothing = Own(FileDescriptor.Open("/dev/null", OpenFlags.ReadWrite));
        Assert.That(client.AddMemory(At(0, 1), nothing), Is.EqualTo(Errno.EPERM));
        Assert.That(client.AddMemory(At(0, 1), Own(new EventFd()).Descriptor), Is.EqualTo(Errno.EPERM));
    }

    private FileDescriptor Sealed(ulong bytes) => Own(MemFd.CreateSealed("guest", (long)bytes));

    /// <summary>A region of so many pages, at that page of both address spaces and of its file.</summary>
    private static VhostUserMemoryRegion At(ulong page, ulong pages) => new()
    {
        GuestAddress = VhostUserTestGuest.GuestAddress + (page * Page),
        UserAddress = VhostUserTestGuest.UserAddress + (page * Page),
        MmapOffset = page < 1024 && page + pages <= 1024 ? page * Page % (8 * Page) : 0,
        Size = pages * Page,
    };

    private static FileDescriptor Unsealed(long length)
    {
        const uint closeOnExec = 1;
        const uint allowSealing = 2;
        FileDescriptor fd = new(MemFdCreate("guest", closeOnExec | allowSealing));
        Assert.That(FTruncate(fd.Number, length), Is.Zero);
        return fd;
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemFdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    private static partial int FTruncate(int fd, long length);
}
