using System.Collections.Concurrent;
using Backend.Block;
using RingCore.Aio;

namespace Backend.Tests.Device;

/// <summary>A disk in memory whose I/O waits until the test lets it go: for what must happen while requests are in flight.</summary>
internal sealed unsafe class HeldDriver(long length) : IBlockDriver
{
    private readonly byte[] _bytes = new byte[length];
    private readonly ConcurrentQueue<(Queue Queue, BlockRequest Request)> _held = new();

    public BlockLimits Limits { get; init; } = new() { Length = length, CanDiscard = true, CanWriteZeroes = true };

    /// <summary>Requests are held from now on.</summary>
    public bool Hold { get; set; }

    /// <summary>Every request is answered with this errno.</summary>
    public int Fail { get; set; }

    /// <summary>(operation, offset, length, vectors) of each I/O, in order.</summary>
    public ConcurrentQueue<(BlockOperation Operation, long Offset, long Length, int Vectors)> Log { get; } = new();

    public int HeldCount => _held.Count;

    public Span<byte> Bytes => _bytes;

    public IBlockQueue OpenQueue(AioContext context, int index = 0) => new Queue(this, context);

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
