using Backend.Block;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;

namespace Backend.Tests.Block;

/// <summary>Requests whose data lies in guest memory, through a ring that learns that memory.</summary>
[TestFixture(FdMonitorKind.Epoll)]
[TestFixture(FdMonitorKind.IoUring)]
public sealed unsafe class RegisteredBuffersTests(FdMonitorKind monitor)
{
    private const ulong Iova = 0x10_0000;
    private const int Page = 4096;
    private const int Piece = RegisteredBuffers.PieceSize;
    private const int MemorySize = 4 << 20;
    private ScratchDirectory _scratch = null!;
    private FileDescriptor _fd = null!;
    private GuestMemory _memory = null!;
    private ImageRig _rig = null!;

    [SetUp]
    public void SetUp()
    {
        RequireRegistration();
        _scratch = new ScratchDirectory("/tmp");
        _fd = MemFd.CreateSealed("guest", MemorySize);
        _memory = new GuestMemory();
        _memory.Add(Iova, MemorySize, _fd, 0, writable: true);
        _rig = Open(_scratch);
        _rig.Queue.UseMemory(_memory.Current);
    }

    [TearDown]
    public void TearDown()
    {
        _rig?.Dispose();
        _memory.Dispose();
        _fd.Dispose();
        _scratch.Dispose();
    }

    [Test]
    public void Small_requests_in_guest_memory_go_through_registered_buffers()
    {
        new Span<byte>(At(0), Piece).Fill(7);
        Run(BlockOperation.Write, 0, At(0), Page);
        Run(BlockOperation.Write, Page, At(Page), Page, BlockRequestFlags.ForceUnitAccess);
        Run(BlockOperation.Read, 0, At(Piece), Piece);
        Assert.That(_rig.Statistics.RegisteredIos, Is.EqualTo(3));
        Assert.That(new Span<byte>(At(Piece), 2 * Page).ToArray(), Is.All.EqualTo(7));
        Assert.That(new Span<byte>(At(Piece + (2 * Page)), 2 * Page).ToArray(), Is.All.Zero);
    }

    [Test]
    public void Other_requests_go_as_before()
    {
        byte* own = _rig.Memory(Page);
        Run(BlockOperation.Read, 0, own, Page);
        Run(BlockOperation.Read, 0, At(0), Piece + Page);
        _rig.Queue.UseMemory(null);
        Run(BlockOperation.Read, 0, At(0), Page);
        Assert.That(_rig.Statistics.RegisteredIos, Is.Zero);
    }

    [Test]
    public void Only_so_much_is_pinned()
    {
        int pieces = MemorySize / Piece;
        Assert.That(pieces, Is.GreaterThan(RegisteredBuffers.MaxPieces));
        for (int i = 0; i < pieces; i++)
        {
            Run(BlockOperation.Read, 0, At(i * Piece), Page);
        }

        Assert.That(_rig.Statistics.RegisteredIos, Is.EqualTo(RegisteredBuffers.MaxPieces));
        Run(BlockOperation.Read, 0, At((RegisteredBuffers.MaxPieces - 1) * Piece), Page);
        Assert.That(_rig.Statistics.RegisteredIos, Is.EqualTo(RegisteredBuffers.MaxPieces + 1));
    }

    /// <summary>The kernel maps the new memory where the old one was: pages that stayed pinned would swallow the data.</summary>
    [Test]
    public void Memory_mapped_anew_gets_the_data()
    {
        byte* before = At(0);
        new Span<byte>(before, Page).Fill(5);
        Run(BlockOperation.Write, 0, before, Page);
        using FileDescriptor other = MemFd.CreateSealed("guest", MemorySize);
        _memory.Clear();
        _memory.Add(Iova, MemorySize, other, 0, writable: true);
        Assume.That((nint)At(0), Is.EqualTo((nint)before), "another thread's mapping was faster");
        _rig.Queue.UseMemory(_memory.Current);
        Run(BlockOperation.Read, 0, At(0), Page);
        Assert.That(_rig.Statistics.RegisteredIos, Is.EqualTo(2));
        using MemoryMapping view = MemoryMapping.Shared(other, 0, Page, writable: false);
        Assert.That(new Span<byte>(view.Pointer, Page).ToArray(), Is.All.EqualTo(5));
    }

    [Test]
    public void Memory_that_the_device_may_only_read_is_left_alone()
    {
        using FileDescriptor other = MemFd.CreateSealed("rom", MemorySize);
        _memory.Clear();
        _memory.Add(Iova, Page, other, 0, writable: false);
        _memory.Add(Iova + Page, MemorySize - Page, other, Page, writable: true);
        _rig.Queue.UseMemory(_memory.Current);
        _memory.Current.TryGetPointer(Iova, Page, GuestAccess.Read, out byte* rom);
        Run(BlockOperation.Write, 0, rom, Page);
        Assert.That(_rig.Statistics.RegisteredIos, Is.Zero);
        Run(BlockOperation.Write, 0, At(Page + Piece), Page);
        Assert.That(_rig.Statistics.RegisteredIos, Is.EqualTo(1));
    }

    /// <summary>Pages of a file on a disk cannot be pinned for long.</summary>
    [Test]
    public void Memory_that_cannot_be_pinned_is_used_all_the_same() => RequireNotRegistered(_scratch);

    /// <summary>Of a huge page all would be charged to RLIMIT_MEMLOCK.</summary>
    [Test]
    public void Memory_in_huge_pages_is_left_alone()
    {
        using ScratchDirectory huge = new("/tmp");
        huge.Mount("-t tmpfs -o huge=always tmpfs");
        RequireNotRegistered(huge);
    }

    private void RequireNotRegistered(ScratchDirectory directory)
    {
        using FileDescriptor file = FileDescriptor.Open(directory.File("memory", MemorySize), OpenFlags.ReadWrite);
        using GuestMemory memory = new(allowUnsealed: true);
        memory.Add(Iova, MemorySize, file, 0, writable: true);
        _rig.Queue.UseMemory(memory.Current);
        memory.Current.TryGetPointer(Iova, Page, GuestAccess.Write, out byte* p);
        new Span<byte>(p, Page).Fill(3);
        Run(BlockOperation.Write, 0, p, Page);
        Run(BlockOperation.Read, 0, p + Piece, Page);
        Assert.That(new Span<byte>(p + Piece, Page).ToArray(), Is.All.EqualTo(3));
        Assert.That((_rig.Statistics.RegisteredIos, _rig.Statistics.AsyncSubmissions), Is.EqualTo((0, 2)));
        _rig.Queue.UseMemory(null);
    }

    /// <summary>One at a time, so that each has to wake the loop by itself.</summary>
    [Test]
    public void Every_completion_wakes_the_loop()
    {
        for (int i = 0; i < 200; i++)
        {
            Run(BlockOperation.Write, 0, At(0), Page);
            Run(BlockOperation.Read, 0, At(0), Page);
        }

        Assert.That(_rig.Statistics.AsyncSubmissions, Is.EqualTo(400));
    }

    /// <summary>A ring that is closed lets go of its files some time later; a file system that holds one cannot be unmounted.</summary>
    [Test]
    public void Files_are_let_go_of_with_the_queue()
    {
        using ScratchDirectory mount = new("/tmp");
        string image = mount.OuterFile("fs.img", 64 << 20);
        Assert.That(ScratchDirectory.Run("mkfs.ext4", $"-q {image}").Code, Is.Zero);
        mount.Mount($"-o loop {image}");
        for (int i = 0; i < 10; i++)
        {
            using (ImageRig rig = Open(mount))
            {
                rig.Read(0, Page);
                Assert.That(rig.Statistics.AsyncSubmissions, Is.EqualTo(1));
            }

            Assert.That(ScratchDirectory.Run("umount", mount.Path), Is.EqualTo((0, "")), $"time {i}");
            mount.Mount($"-o loop {image}");
        }
    }

    private ImageRig Open(ScratchDirectory directory) =>
        new(
            new RawImageOptions
            {
                Path = directory.File("disk.img", 1 << 20), Engine = AioEngine.IoUring, Cache = CacheMode.None,
            },
            monitor);

    /// <summary>Leaves a test out where the kernel is too old, or forbids io_uring, or so much pinned memory.</summary>
    private static void RequireRegistration()
    {
        if (IoUring.UnavailableErrno != 0)
        {
            Assert.Ignore($"io_uring: {Errno.Name(IoUring.UnavailableErrno)}");
        }

        using IoUring ring = new(2);
        using MemoryMapping memory = MemoryMapping.Anonymous(RegisteredBuffers.MaxPieces * Piece);
        try
        {
            ring.RegisterBufferTable(1);
        }
        catch (PosixException e)
        {
            Assert.Ignore(e.Message);
        }

        int error = ring.RegisterBuffer(0, new IoVector(memory.Pointer, RegisteredBuffers.MaxPieces * Piece));
        ring.UnregisterBuffers();
        if (error != 0)
        {
            Assert.Ignore($"no memory can be pinned: {Errno.Name(-error)}");
        }
    }

    private byte* At(int offset)
    {
        Assert.That(_memory.Current.TryGetPointer(Iova + (ulong)offset, Page, GuestAccess.Write, out byte* p), Is.True);
        return p;
    }

    private void Run(BlockOperation operation, long offset, byte* buffer, int length, BlockRequestFlags flags = 0) =>
        Assert.That(_rig.Run(_rig.Request(operation, offset, length, buffer, flags)), Is.Zero);
}
