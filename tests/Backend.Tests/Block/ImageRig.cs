using System.Runtime.InteropServices;
using Backend.Block;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace Backend.Tests.Block;

/// <summary>An opened image, one queue on it, and the context that serves the queue: all on the test's thread.</summary>
internal sealed unsafe class ImageRig : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private readonly List<nint> _memory = [];
    private readonly AioTimer _watchdog;
    private bool _late;

    internal ImageRig(RawImageOptions options, FdMonitorKind monitor = FdMonitorKind.Epoll)
    {
        Image = OpenOrIgnore(options);
        Context = new AioContext(new AioContextOptions { Name = "test", Monitor = monitor });
        Queue = (RawImageQueue)Image.OpenQueue(Context);
        _watchdog = Context.CreateTimer(() => _late = true);
    }

    /// <summary>Opens an image; leaves the test out if it asks for io_uring and the kernel has or allows none.</summary>
    internal static RawImage OpenOrIgnore(RawImageOptions options)
    {
        if (options.Engine == AioEngine.IoUring && IoUring.UnavailableErrno != 0)
        {
            Assert.Ignore($"io_uring: {Errno.Name(IoUring.UnavailableErrno)}");
        }

        return RawImage.Open(options);
    }

    internal RawImage Image { get; }

    internal AioContext Context { get; }

    internal RawImageQueue Queue { get; }

    internal BlockQueueStatistics Statistics => Queue.Statistics;

    /// <summary>Memory that lives as long as the rig, at <paramref name="misalignment"/> bytes past a page's start.</summary>
    internal byte* Memory(int length, int misalignment = 0)
    {
        byte* p = (byte*)NativeMemory.AlignedAlloc((nuint)(length + misalignment), 4096);
        _memory.Add((nint)p);
        return p + misalignment;
    }

    /// <summary>A request over one piece of memory.</summary>
    internal BlockRequest Request(
        BlockOperation operation, long offset, long length, byte* buffer = null, BlockRequestFlags flags = 0)
    {
        IoVector* vector = (IoVector*)Memory(sizeof(IoVector));
        *vector = new IoVector(buffer, (nuint)length);
        return new BlockRequest(static r => r.Owner = r)
        {
            Operation = operation,
            Offset = offset,
            Length = length,
            Flags = flags,
            Vectors = vector,
            VectorCount = buffer == null ? 0 : 1,
        };
    }

    /// <summary>Runs one request to its end and returns its errno.</summary>
    internal int Run(BlockRequest request)
    {
        Queue.Submit(request);
        Queue.Commit();
        Drain();
        Assert.That(request.Owner, Is.SameAs(request), "completed");
        return request.Error;
    }

    internal int Run(BlockOperation operation, long offset = 0, long length = 0, BlockRequestFlags flags = 0) =>
        Run(Request(operation, offset, length, null, flags));

    internal int Write(long offset, byte[] data, BlockRequestFlags flags = 0)
    {
        byte* buffer = Memory(data.Length);
        data.CopyTo(new Span<byte>(buffer, data.Length));
        return Run(Request(BlockOperation.Write, offset, data.Length, buffer, flags));
    }

    internal byte[] Read(long offset, int length)
    {
        byte* buffer = Memory(length);
        Assert.That(Run(Request(BlockOperation.Read, offset, length, buffer)), Is.Zero);
        return new Span<byte>(buffer, length).ToArray();
    }

    /// <summary>Serves the context until nothing is in flight.</summary>
    internal void Drain()
    {
        if (Queue.InFlight == 0)
        {
            return;
        }

        _late = false;
        _watchdog.Arm(Bound);
        while (Queue.InFlight > 0)
        {
            Context.Poll(blocking: true);
            if (_late)
            {
                Assert.Fail($"{Queue.InFlight} requests did not complete");
            }
        }

        _watchdog.Cancel();
    }

    public void Dispose()
    {
        if (Queue.InFlight > 0)
        {
            return; // a failure was reported; what is in flight still uses all this
        }

        Queue.Dispose();
        _watchdog.Dispose();
        Context.Dispose();
        Image.Dispose();
        _memory.ForEach(p => NativeMemory.AlignedFree((void*)p));
    }
}
