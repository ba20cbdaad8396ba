using System.Collections.Concurrent;
using Backend.Block;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;

namespace Backend.Tests.Device;

/// <summary>A disk in memory whose I/O waits until the test lets it go: for what must happen while requests are in flight.</summary>
internal sealed unsafe class HeldDriver(long length) : IBlockDriver
{
    private readonly byte[] _bytes = new byte[length];
    private readonly ConcurrentQueue<(Queue Queue, BlockRequest Request)> _held = new();

    private readonly BlockLimits _limits = new() { Length = length, CanDiscard = true, CanWriteZeroes = true };

    public BlockLimits Limits
    {
        get
        {
            LimitsAsked?.Invoke();
            return _limits;
        }

        init => _limits = value;
    }

    /// <summary>Called whenever somebody looks at the limits, as a device does for each write.</summary>
    public Action? LimitsAsked { get; set; }

    /// <summary>Opening this queue fails.</summary>
    public int FailOpenAt { get; set; } = -1;

    /// <summary>Requests are held from now on.</summary>
    public bool Hold { get; set; }

    /// <summary>Every request is answered with this errno.</summary>
    public int Fail { get; set; }

    /// <summary>(operation, offset, length, vectors) of each I/O, in order.</summary>
    public ConcurrentQueue<(BlockOperation Operation, long Offset, long Length, int Vectors)> Log { get; } = new();

    /// <summary>The flags of each I/O in <see cref="Log"/>.</summary>
    public ConcurrentQueue<BlockRequestFlags> Flags { get; } = new();

    /// <summary>The memory that queues were told, in order.</summary>
    public ConcurrentQueue<GuestMemoryMap?> Memories { get; } = new();

    public int HeldCount => _held.Count;

    public Span<byte> Bytes => _bytes;

    public IBlockQueue OpenQueue(AioContext context, int index = 0) =>
        index != FailOpenAt ? new Queue(this, context) : throw new PosixException(Errno.EMFILE, "open queue");

    /// <summary>Lets everything go that is held.</summary>
    public void Release()
    {
        Hold = false;
        while (_held.TryDequeue(out (Queue Queue, BlockRequest Request) held))
        {
            held.Queue.Context.ScheduleOneShot(() => held.Queue.Run(held.Request));
        }
    }

    public void Dispose()
    {
    }

    private sealed class Queue(HeldDriver driver, AioContext context) : IBlockQueue
    {
        public AioContext Context => context;

        public int InFlight { get; private set; }

        public void Submit(BlockRequest request)
        {
            driver.Log.Enqueue((request.Operation, request.Offset, request.Length, request.VectorCount));
            driver.Flags.Enqueue(request.Flags);
            InFlight++;
            if (driver.Hold)
            {
                driver._held.Enqueue((this, request));
            }
            else
            {
                Run(request);
            }
        }

        public void Commit()
        {
        }

        public void UseMemory(GuestMemoryMap? memory) => driver.Memories.Enqueue(memory);

        public void Run(BlockRequest request)
        {
            InFlight--;
            long at = request.Offset;
            for (int i = 0; i < request.VectorCount && driver.Fail == 0; i++)
            {
                // The device vouches for the vectors; the slices check the disk's end.
                Span<byte> memory = new(request.Vectors[i].Base, (int)request.Vectors[i].Length);
                Span<byte> disk = driver._bytes.AsSpan((int)at, memory.Length);
                if (request.Operation == BlockOperation.Read)
                {
                    disk.CopyTo(memory);
                }
                else
                {
                    memory.CopyTo(disk);
                }

                at += memory.Length;
            }

            if (request.Operation is BlockOperation.Discard or BlockOperation.WriteZeroes)
            {
                driver._bytes.AsSpan((int)request.Offset, (int)request.Length).Clear();
            }

            request.Complete(driver.Fail);
        }

        public void Dispose()
        {
        }
    }
}
