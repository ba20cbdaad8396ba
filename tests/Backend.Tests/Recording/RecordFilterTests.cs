using System.Runtime.InteropServices;
using Backend.Block;
using Backend.Recording;
using Backend.Tests.Block;
using Backend.Tests.Device;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Log;
using RingCore.Posix;

namespace Backend.Tests.Recording;

/// <summary>What goes through the filter is in the log, as it was and before anyone is told.</summary>
public sealed unsafe class RecordFilterTests
{
    private const int Size = 1 << 20;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private ScratchDirectory _directory = null!;
    private AioContext _context = null!;
    private RecordFilter _filter = null!;
    private string _image = null!;
    private readonly List<nint> _memory = [];

    private string LogPath => Path.Combine(_directory.Path, "disk.log");

    [SetUp]
    public void Open()
    {
        _directory = new ScratchDirectory();
        _image = _directory.File("disk.img", Size);
        _context = new AioContext(new AioContextOptions { Name = "test", Monitor = FdMonitorKind.Epoll });
        RawImage image = RawImage.Open(new RawImageOptions { Path = _image, Engine = AioEngine.Auto, Cache = CacheMode.Writeback });
        _filter = new RecordFilter(image, LogWriter.Create(LogPath, new LogHeader
        {
            ImageLength = Size,
            BlockSize = image.Limits.PhysicalBlockSize,
            Created = DateTimeOffset.UtcNow,
        }));
    }

    [TearDown]
    public void Close()
    {
        _context.Dispose();
        _directory.Dispose();
        _memory.ForEach(p => NativeMemory.AlignedFree((void*)p));
        _memory.Clear();
    }

    [Test]
    public void Everything_but_reads_is_recorded_with_its_data()
    {
        using (IBlockQueue queue = _filter.OpenQueue(_context, index: 3))
        {
            Run(queue, Request(BlockOperation.Write, 512, Fill(1024, 7)));
            Run(queue, Request(BlockOperation.Read, 0, Fill(512, 0)));
            Run(queue, Request(BlockOperation.Flush, 0, []));
            Run(queue, Request(BlockOperation.WriteZeroes, 4096, 8192, BlockRequestFlags.MayUnmap));
            Run(queue, Request(BlockOperation.Discard, 0, 4096));
            Run(queue, Request(BlockOperation.Write, 8192, Fill(512, 9), BlockRequestFlags.ForceUnitAccess));
        }

        _filter.Dispose();
        using LogReader log = LogReader.Open(LogPath);
        List<LogRecord> records = [.. log.Scan()];
        Assert.That(log.Tail, Is.Null);
        Assert.That(records.Select(r => r.Operation), Is.EqualTo(new[]
        {
            LogOperation.Write, LogOperation.Flush, LogOperation.WriteZeroes, LogOperation.Discard, LogOperation.Write,
        }));
        Assert.That(records.Select(r => r.After), Is.EqualTo(new[] { 0, 1, 2, 3, 4 }));
        Assert.That(records.Select(r => r.Queue), Is.All.EqualTo(3));
        Assert.That((records[2].Flags, records[4].Flags), Is.EqualTo((LogFlags.MayUnmap, LogFlags.ForceUnitAccess)));
        byte[] data = new byte[1024];
        log.ReadData(records[0], 0, data);
        Assert.That(data, Is.All.EqualTo(7));
    }

    [Test]
    public void Request_is_in_the_log_before_its_completion_is_told()
    {
        long seen = -1;
        using (IBlockQueue queue = _filter.OpenQueue(_context))
        {
            BlockRequest write = Request(BlockOperation.Write, 0, Fill(512, 1), completed: _ => seen = _filter.Log.Last);
            queue.Submit(write);
            queue.Commit();
            Drain(queue);
        }

        _filter.Dispose();
        Assert.That(seen, Is.EqualTo(1));
    }

    [Test]
    public void Flush_submitted_while_a_write_is_under_way_does_not_cover_it()
    {
        _filter.Dispose();
        HeldDriver disk = new(Size) { Hold = true };
        string path = Path.Combine(_directory.Path, "held.log");
        LogHeader header = new() { ImageLength = Size, BlockSize = 512, Created = DateTimeOffset.UtcNow };
        using (RecordFilter filter = new(disk, LogWriter.Create(path, header)))
        using (IBlockQueue queue = filter.OpenQueue(_context))
        {
            queue.Submit(Request(BlockOperation.Write, 512, Fill(512, 1)));
            queue.Submit(Request(BlockOperation.Flush, 0, []));
            disk.Release();
            Drain(queue);
        }

        using LogReader log = LogReader.Open(path);
        List<LogRecord> records = [.. log.Scan()];
        Assert.That(records.Select(r => r.Operation), Is.EqualTo(new[] { LogOperation.Write, LogOperation.Flush }));
        Assert.That(records[1].After, Is.Zero, "the write completed first, but after the flush was submitted");
    }

    [Test]
    public void Failed_request_is_recorded_with_its_error()
    {
        _filter.Dispose();
        HeldDriver disk = new(Size) { Fail = 5 };
        string path = Path.Combine(_directory.Path, "failing.log");
        LogHeader header = new() { ImageLength = Size, BlockSize = 512, Created = DateTimeOffset.UtcNow };
        using (RecordFilter filter = new(disk, LogWriter.Create(path, header)))
        using (IBlockQueue queue = filter.OpenQueue(_context))
        {
            Assert.That(Run(queue, Request(BlockOperation.Write, 512, Fill(512, 1))), Is.EqualTo(5));
        }

        using LogReader log = LogReader.Open(path);
        Assert.That(log.Scan().Single().Error, Is.EqualTo(5));
    }

    [Test]
    public void Full_file_system_ends_the_recording_and_not_the_disk()
    {
        _filter.Dispose();
        using ScratchDirectory small = new("/dev/shm");
        small.Mount("-t tmpfs -o size=64k tmpfs");
        RawImage image = RawImage.Open(new RawImageOptions { Path = _image });
        LogWriter log = LogWriter.Create(
            Path.Combine(small.Path, "small.log"), new LogHeader { ImageLength = Size, BlockSize = 4096, Created = DateTimeOffset.UtcNow });
        RecordFilter filter = new(image, log);
        using (IBlockQueue queue = filter.OpenQueue(_context))
        {
            for (int i = 0; i < 200; i++)
            {
                Assert.That(Run(queue, Request(BlockOperation.Write, i * 4096L, Fill(4096, (byte)i))), Is.Zero);
            }

            Assert.That(() => log.Mark("end"), Throws.TypeOf<LogException>().With.Message.Contains("has ended"));
        }

        Assert.That(log.Failure, Does.Contain("No space left"));
        filter.Dispose();
        using LogReader reader = LogReader.Open(Path.Combine(small.Path, "small.log"));
        Assert.That(reader.Scan().Count(), Is.LessThan(200), "whole records up to the end");
        byte[] content = File.ReadAllBytes(_image);
        Assert.That(Enumerable.Range(0, 200).All(i => content[i * 4096] == (byte)i), Is.True, "the disk has them all");
    }

    [Test]
    public void Steady_state_allocates_nothing()
    {
        using (IBlockQueue queue = _filter.OpenQueue(_context))
        {
            BlockRequest write = Request(BlockOperation.Write, 4096, Fill(4096, 1));
            for (int i = 0; i < 200; i++)
            {
                Run(queue, write);
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
            {
                queue.Submit(write);
                queue.Commit();
                while (queue.InFlight > 0)
                {
                    _context.Poll(blocking: true);
                }
            }

            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1000), "less than a byte a request");
        }

        _filter.Dispose();
    }

    private static byte[] Fill(int length, byte value) => [.. Enumerable.Repeat(value, length)];

    private BlockRequest Request(
        BlockOperation operation, long offset, byte[] data, BlockRequestFlags flags = 0, Action<BlockRequest>? completed = null)
    {
        byte* buffer = Memory(Math.Max(data.Length, 1));
        data.CopyTo(new Span<byte>(buffer, data.Length));
        BlockRequest request = Request(operation, offset, data.Length, flags, completed);
        IoVector* vector = (IoVector*)Memory(sizeof(IoVector));
        *vector = new IoVector(buffer, (nuint)data.Length);
        request.Vectors = vector;
        request.VectorCount = data.Length > 0 ? 1 : 0;
        return request;
    }

    private static BlockRequest Request(
        BlockOperation operation, long offset, long length, BlockRequestFlags flags = 0, Action<BlockRequest>? completed = null) =>
        new(completed ?? (_ => { })) { Operation = operation, Offset = offset, Length = length, Flags = flags };

    private byte* Memory(int length)
    {
        byte* p = (byte*)NativeMemory.AlignedAlloc((nuint)length, 4096);
        _memory.Add((nint)p);
        return p;
    }

    private int Run(IBlockQueue queue, BlockRequest request)
    {
        queue.Submit(request);
        queue.Commit();
        Drain(queue);
        return request.Error;
    }

    private void Drain(IBlockQueue queue)
    {
        bool late = false;
        using AioTimer watchdog = _context.CreateTimer(() => late = true);
        watchdog.Arm(Bound);
        while (queue.InFlight > 0)
        {
            _context.Poll(blocking: true);
            Assert.That(late, Is.False, "completes in time");
        }
    }
}
