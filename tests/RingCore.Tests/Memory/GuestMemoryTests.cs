using NUnit.Framework;
using RingCore.Memory;
using RingCore.Posix;

namespace RingCore.Tests.Memory;

public unsafe class GuestMemoryTests
{
    private const ulong Page = 4096;
    private FileDescriptor _fd = null!;
    private GuestMemory _memory = null!;

    [SetUp]
    public void SetUp()
    {
        _fd = MemFd.CreateSealed("guest", 64 * (long)Page);
        _memory = new GuestMemory();
    }

    [TearDown]
    public void TearDown()
    {
        _memory.Dispose();
        _fd.Dispose();
    }

    [Test]
    public void A_mapped_range_is_the_memory_of_its_descriptor_at_its_offset()
    {
        _memory.Add(0x10000, 2 * Page, _fd, (long)Page, true);
        Assert.That(_memory.Current.TryGetPointer(0x10000 + 5, 1, GuestAccess.Write, out byte* p), Is.True);
        *p = 0x5A;
        using MemoryMapping view = MemoryMapping.Shared(_fd, 0, (nuint)(64 * Page), false);
        Assert.That(view.Pointer[Page + 5], Is.EqualTo(0x5A));
    }

    [Test]
    public void Translation_stays_within_one_region_and_cannot_overflow()
    {
        _memory.Add(0x10000, Page, _fd, 0, true);
        GuestMemoryMap map = _memory.Current;
        Assert.That(map.TryGetPointer(0x10000, Page, GuestAccess.Write, out _), Is.True);
        Assert.That(map.TryGetPointer(0x10000 + Page - 1, 1, GuestAccess.Write, out _), Is.True);
        Assert.That(map.TryGetPointer(0x10000 + Page - 1, 2, GuestAccess.Write, out byte* p), Is.False);
        Assert.That(p == null, Is.True);
        Assert.That(map.TryGetPointer(0x10000 + Page, 0, GuestAccess.Read, out _), Is.False);
        Assert.That(map.TryGetPointer(0xFFFF, 2, GuestAccess.Read, out _), Is.False);
        Assert.That(map.TryGetPointer(0x10001, ulong.MaxValue, GuestAccess.Read, out _), Is.False);
        Assert.That(map.TryGetPointer(ulong.MaxValue, 2, GuestAccess.Read, out _), Is.False);
        Assert.That(map.TryGetPointer(ulong.MaxValue, ulong.MaxValue, GuestAccess.Read, out _), Is.False);
    }

    [Test]
    public void The_topmost_page_is_usable_and_nothing_wraps_past_it()
    {
        ulong top = ulong.MaxValue - Page + 1;
        _memory.Add(top, Page, _fd, 0, true);
        _memory.Add(0, Page, _fd, (long)Page, true);
        GuestMemoryMap map = _memory.Current;
        Assert.That(map.TryGetPointer(ulong.MaxValue, 1, GuestAccess.Write, out _), Is.True);
        Assert.That(map.TryGetPointer(ulong.MaxValue, 2, GuestAccess.Write, out _), Is.False);
        IoVector[] pieces = new IoVector[4];
        Assert.That(map.Translate(top, Page, GuestAccess.Write, pieces), Is.EqualTo(1));
        Assert.That(map.Translate(ulong.MaxValue, 2, GuestAccess.Write, pieces), Is.EqualTo(-1));
    }

    [Test]
    public void Read_only_ranges_refuse_writes()
    {
        _memory.Add(0, Page, _fd, 0, false);
        Assert.That(_memory.Current.TryGetPointer(0, 1, GuestAccess.Read, out _), Is.True);
        Assert.That(_memory.Current.TryGetPointer(0, 1, GuestAccess.Write, out _), Is.False);
        Assert.That(_memory.Current.Translate(0, 1, GuestAccess.Write, new IoVector[1]), Is.EqualTo(-1));
    }

    [Test]
    public void A_range_without_a_descriptor_is_present_but_not_accessible()
    {
        _memory.Add(0x1000, Page, null, 0, true);
        Assert.That(_memory.Current.Count, Is.EqualTo(1));
        Assert.That(_memory.Current.TryGetPointer(0x1000, 1, GuestAccess.Read, out _), Is.False);
        Assert.That(ErrnoOf(() => _memory.Add(0x1000, Page, _fd, 0, true)), Is.EqualTo(Errno.EEXIST));
        Assert.That(_memory.Remove(0x1000, Page), Is.True);
    }

    [Test]
    public void A_pointer_leads_back_to_the_part_of_its_region_that_may_be_pinned()
    {
        _memory.Add(0x10000, 4 * Page, _fd, 0, true);
        _memory.Add(0x20000, Page, _fd, 0, false);
        _memory.Add(0x30000, Page, null, 0, true);
        GuestMemoryMap map = _memory.Current;
        Assert.That(map.TryGetPointer(0x10000, 4 * Page, GuestAccess.Write, out byte* first), Is.True);
        Assert.That(map.TryGetPointer(0x20000, Page, GuestAccess.Read, out byte* rom), Is.True);
        byte* end = first + (4 * Page);
        nuint page = (nuint)Page;
        Assert.That(map.ClipToPinnable(first, page).Length, Is.EqualTo(page));
        Assert.That(map.ClipToPinnable(first, 8 * page).Length, Is.EqualTo(4 * page));
        Assert.That(map.ClipToPinnable(end - 1, page).Length, Is.EqualTo((nuint)1));
        Assert.That((nint)map.ClipToPinnable(end - 1, page).Base, Is.EqualTo((nint)(end - 1)));
        Assert.That(map.ClipToPinnable(first - 1, 8 * page).Length, Is.EqualTo((nuint)0), "before it");
        Assert.That(map.ClipToPinnable(rom, page).Length, Is.EqualTo((nuint)0), "read only");
        Assert.That(map.ClipToPinnable(null, page).Length, Is.EqualTo((nuint)0), "not accessible");
    }

    [Test]
    public void Translate_crosses_adjacent_regions_in_pieces()
    {
        _memory.Add(0x2000, Page, _fd, 0, true);
        _memory.Add(0x3000, Page, _fd, (long)(8 * Page), true);
        _memory.Add(0x5000, Page, _fd, (long)(9 * Page), true);
        GuestMemoryMap map = _memory.Current;
        IoVector[] pieces = new IoVector[2];
        Assert.That(map.Translate(0x2800, 0x1000, GuestAccess.Write, pieces), Is.EqualTo(2));
        Assert.That((ulong)pieces[0].Length, Is.EqualTo(0x800));
        Assert.That((ulong)pieces[1].Length, Is.EqualTo(0x800));
        map.TryGetPointer(0x3000, 1, GuestAccess.Read, out byte* second);
        Assert.That(pieces[1].Base == second, Is.True);
        Assert.That(map.Translate(0x2800, 0, GuestAccess.Read, pieces), Is.Zero);
        Assert.That(map.Translate(0x3800, 0x1000, GuestAccess.Read, pieces), Is.EqualTo(-1), "a hole follows");
        Assert.That(map.Translate(0x2800, 0x1000, GuestAccess.Read, pieces.AsSpan(0, 1)), Is.EqualTo(-1), "no room");
        Assert.That(map.Translate(0x2800, ulong.MaxValue, GuestAccess.Read, pieces), Is.EqualTo(-1));
    }

    [Test]
    public void A_region_that_only_touches_another_does_not_overlap_it([Values(0x1000UL, 0x3000UL)] ulong iova)
    {
        _memory.Add(0x2000, Page, _fd, 0, true);
        Assert.That(() => _memory.Add(iova, Page, _fd, 0, true), Throws.Nothing);
    }

    [TestCase(0x2000UL, 2UL)]
    [TestCase(0x1000UL, 2UL)]
    [TestCase(0x3000UL, 1UL)]
    [TestCase(0x0UL, 16UL)]
    public void Overlapping_maps_are_refused(ulong iova, ulong pages)
    {
        _memory.Add(0x2000, 2 * Page, _fd, 0, true);
        _memory.Add(0x8000, Page, _fd, 0, true);
        Assert.That(ErrnoOf(() => _memory.Add(iova, pages * Page, _fd, (long)Page, true)), Is.EqualTo(Errno.EEXIST));
        Assert.That(_memory.Current.Count, Is.EqualTo(2));
    }

    [Test]
    public void An_identical_map_succeeds_and_any_difference_is_an_overlap()
    {
        _memory.Add(0x2000, Page, _fd, 0, true);
        int generation = _memory.Current.Generation;
        using FileDescriptor duplicate = _fd.Duplicate();
        _memory.Add(0x2000, Page, duplicate, 0, true);
        Assert.That(_memory.Current.Generation, Is.EqualTo(generation));
        using FileDescriptor other = MemFd.CreateSealed("other", (long)Page);
        Assert.That(ErrnoOf(() => _memory.Add(0x2000, Page, other, 0, true)), Is.EqualTo(Errno.EEXIST));
        Assert.That(ErrnoOf(() => _memory.Add(0x2000, Page, _fd, (long)Page, true)), Is.EqualTo(Errno.EEXIST));
        Assert.That(ErrnoOf(() => _memory.Add(0x2000, Page, _fd, 0, false)), Is.EqualTo(Errno.EEXIST));
        Assert.That(ErrnoOf(() => _memory.Add(0x2000, Page, null, 0, true)), Is.EqualTo(Errno.EEXIST));
    }

    [Test]
    public void Ranges_must_fit_their_file_and_pages()
    {
        Assert.That(ErrnoOf(() => _memory.Add(0, 65 * Page, _fd, 0, true)), Is.EqualTo(Errno.EINVAL));
        Assert.That(ErrnoOf(() => _memory.Add(0, Page, _fd, (long)(64 * Page), true)), Is.EqualTo(Errno.EINVAL));
        Assert.That(ErrnoOf(() => _memory.Add(0, Page, _fd, long.MaxValue & ~4095, true)), Is.EqualTo(Errno.EINVAL));
        Assert.That(ErrnoOf(() => _memory.Add(0, Page, _fd, -4096, true)), Is.EqualTo(Errno.EINVAL));
        Assert.That(ErrnoOf(() => _memory.Add(0, 0, _fd, 0, true)), Is.EqualTo(Errno.EINVAL));
        Assert.That(ErrnoOf(() => _memory.Add(1, Page, _fd, 0, true)), Is.EqualTo(Errno.EINVAL));
        Assert.That(ErrnoOf(() => _memory.Add(0, 100, _fd, 0, true)), Is.EqualTo(Errno.EINVAL));
        Assert.That(ErrnoOf(() => _memory.Add(ulong.MaxValue - 0xFFF, 2 * Page, null, 0, true)), Is.EqualTo(Errno.EINVAL));
        Assert.That(ErrnoOf(() => _memory.Add(0, (8UL << 40) + Page, null, 0, true)), Is.EqualTo(Errno.ENOSPC));
        Assert.That(_memory.Current.Count, Is.Zero);
    }

    [Test]
    public void Memory_that_can_shrink_is_refused_unless_allowed()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[Page]);
            using FileDescriptor file = FileDescriptor.Open(path, OpenFlags.ReadWrite);
            Assert.That(ErrnoOf(() => _memory.Add(0, Page, file, 0, true)), Is.EqualTo(Errno.EPERM));
            using GuestMemory trusting = new(allowUnsealed: true);
            trusting.Add(0, Page, file, 0, true);
            Assert.That(trusting.Current.TryGetPointer(0, Page, GuestAccess.Write, out _), Is.True);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void Too_many_ranges_are_refused()
    {
        using GuestMemory small = new(maxRegions: 3);
        for (ulong i = 0; i < 3; i++)
        {
            small.Add(i * 2 * Page, Page, null, 0, true);
        }

        Assert.That(ErrnoOf(() => small.Add(100 * Page, Page, null, 0, true)), Is.EqualTo(Errno.ENOSPC));
        small.Remove(0, Page);
        Assert.That(() => small.Add(100 * Page, Page, null, 0, true), Throws.Nothing);
    }

    [Test]
    public void Only_an_exact_range_can_be_removed()
    {
        _memory.Add(0x2000, 2 * Page, _fd, 0, true);
        Assert.That(_memory.Remove(0x2000, Page), Is.False);
        Assert.That(_memory.Remove(0x3000, Page), Is.False);
        Assert.That(_memory.Remove(0x9000, Page), Is.False);
        Assert.That(_memory.Remove(0x2000, 2 * Page), Is.True);
        Assert.That(_memory.Remove(0x2000, 2 * Page), Is.False);
        Assert.That(_memory.Current.TryGetPointer(0x2000, 1, GuestAccess.Read, out _), Is.False);
    }

    [Test]
    public void Clear_removes_everything_and_changes_the_generation()
    {
        _memory.Add(0x2000, Page, _fd, 0, true);
        _memory.Add(0x4000, Page, null, 0, true);
        int generation = _memory.Current.Generation;
        _memory.Clear();
        Assert.That(_memory.Current.Count, Is.Zero);
        Assert.That(_memory.Current.Generation, Is.Not.EqualTo(generation));
    }

    [Test]
    public void Lookups_find_each_of_many_regions_and_none_of_the_holes()
    {
        Random random = new(20240611);
        ulong[] starts = Enumerable.Range(0, 300).Select(i => (ulong)i * 2 * Page).OrderBy(_ => random.Next()).ToArray();
        foreach (ulong start in starts)
        {
            _memory.Add(start, Page, _fd, (long)(start / 2 % (64 * Page)), true);
        }

        for (int i = 0; i < 2000; i++)
        {
            ulong iova = (ulong)random.NextInt64(0, (long)(600 * Page));
            bool expected = iova / Page % 2 == 0;
            Assert.That(_memory.Current.TryGetPointer(iova, 1, GuestAccess.Read, out _), Is.EqualTo(expected), $"{iova:x}");
        }
    }

    [Test]
    public void Lookups_allocate_nothing()
    {
        _memory.Add(0x2000, Page, _fd, 0, true);
        _memory.Add(0x3000, Page, _fd, 0, true);
        GuestMemoryMap map = _memory.Current;
        Span<IoVector> pieces = stackalloc IoVector[2];
        map.Translate(0x2000, 2 * Page, GuestAccess.Read, pieces);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int sum = 0;
        for (int i = 0; i < 1000; i++)
        {
            sum += map.Translate(0x2000, 2 * Page, GuestAccess.Read, pieces);
            sum += map.TryGetPointer(0x3000, 1, GuestAccess.Read, out _) ? 1 : 0;
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(sum, Is.EqualTo(3000));
    }

    private static int ErrnoOf(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (PosixException e)
        {
            return e.Errno;
        }
    }
}
