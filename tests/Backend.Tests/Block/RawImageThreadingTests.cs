using System.Runtime.InteropServices;
using Backend.Block;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace Backend.Tests.Block;

/// <summary>One image, several IOThreads with a queue each.</summary>
[TestFixture]
public sealed unsafe class RawImageThreadingTests
{
    private const int Block = 4096;
    private const int BlocksPerQueue = 64;
    private const int Rounds = 150;

    [Test]
    public void Queues_of_several_IoThreads_run_side_by_side(
        [Values(AioEngine.IoUring, AioEngine.Threads)] AioEngine engine,
        [Values] CacheMode cache,
        [Values(0, 50_000)] long pollMaxNs)
    {
        using var scratch = new ScratchDirectory();
        string path = scratch.File("disk.img", 3 * BlocksPerQueue * Block);
        using RawImage image = ImageRig.OpenOrIgnore(new RawImageOptions { Path = path, Engine = engine, Cache = cache });
        IoThread[] threads =
            [.. Enumerable.Range(0, 3).Select(i => new IoThread(new AioContextOptions { Name = $"io{i}", PollMaxNs = pollMaxNs }))];
        Worker[] workers = [.. threads.Select((t, i) => new Worker(image, t.Context, i * BlocksPerQueue * Block))];
        Array.ForEach(workers, w => w.Start());
        foreach (Worker worker in workers)
        {
            Assert.That(worker.Done.Wait(TimeSpan.FromSeconds(60)), Is.True, "all completed");
            Assert.That(worker.Failure, Is.Null);
        }

        Array.ForEach(workers, w => w.Stop());
        Array.ForEach(threads, t => t.Dispose());
    }

    /// <summary>Four chains of write, then read back and compare, each in blocks of its own; one flush among them.</summary>
    private sealed class Worker(RawImage image, AioContext context, long start)
    {
        private const int Chains = 4;
        private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Chains * 2 * Block, Block);
        private readonly IoVector* _vectors = (IoVector*)NativeMemory.AllocZeroed(Chains, (nuint)sizeof(IoVector));
        private readonly Random _random = new((int)start);
        private IBlockQueue? _queue;
        private int _left = Rounds;
        private int _running = Chains;

        internal ManualResetEventSlim Done { get; } = new();

        internal string? Failure { get; private set; }

        internal void Start() => context.ScheduleOneShot(() =>
        {
            _queue = image.OpenQueue(context);
            for (int i = 0; i < Chains; i++)
            {
                var request = new BlockRequest(Completed) { Owner = i, Vectors = _vectors + i, VectorCount = 1 };
                SubmitWrite(request, i);
            }

            _queue.Commit();
        });

        internal void Stop()
        {
            context.Invoke(_queue!.Dispose);
            NativeMemory.AlignedFree(_memory);
            NativeMemory.Free(_vectors);
            Done.Dispose();
        }

        private void Completed(BlockRequest request)
        {
            int chain = (int)request.Owner!;
            if (request.Error != 0)
            {
                Failure ??= $"{request.Operation}: {Errno.Name(request.Error)}";
            }

            switch (request.Operation)
            {
                case BlockOperation.Write:
                    request.Operation = BlockOperation.Read;
                    request.Vectors->Base = Memory(chain, 1);
                    _queue!.Submit(request);
                    break;
                case BlockOperation.Read:
                    if (!new Span<byte>(Memory(chain, 0), Block).SequenceEqual(new Span<byte>(Memory(chain, 1), Block)))
                    {
                        Failure ??= $"wrong data at {request.Offset}";
                    }

                    request.Operation = BlockOperation.Flush;
                    Next(request, chain, flush: _left % 64 == 0);
                    break;
                default:
                    Next(request, chain, flush: false);
                    break;
            }

            _queue!.Commit();
        }

        private void Next(BlockRequest request, int chain, bool flush)
        {
            if (flush)
            {
                _queue!.Submit(request);
            }
            else if (--_left > 0)
            {
                SubmitWrite(request, chain);
            }
            else if (--_running == 0)
            {
                context.ScheduleOneShot(Done.Set); // when this completion has returned
            }
        }

        private void SubmitWrite(BlockRequest request, int chain)
        {
            _random.NextBytes(new Span<byte>(Memory(chain, 0), Block));
            *request.Vectors = new IoVector(Memory(chain, 0), Block);
            request.Operation = BlockOperation.Write;
            request.Length = Block;
            request.Offset = start + (((_random.Next(BlocksPerQueue / Chains) * Chains) + chain) * Block);
            _queue!.Submit(request);
        }

        private byte* Memory(int chain, int which) => _memory + (((chain * 2) + which) * Block);
    }
}
