using System.Runtime.InteropServices;
using Backend.Block;
using NLog;
using RingCore.Aio;
using RingCore.Faults;
using RingCore.Posix;

namespace Backend.Faults;

/// <summary>What somebody waits for: the writes up to a number are down, and stable; or the cache is within its size.</summary>
internal sealed record CacheJob(long UpTo, bool IsFlush, Action<int> Finished);

/// <summary>
/// Brings what is in the volatile cache down to the image, one job after the other, in the order of coming. Lives on the
/// cache's own thread; <see cref="Enqueue"/> may be called from any.
/// </summary>
internal sealed unsafe class CacheWriter : IDisposable
{
    internal static readonly Logger Log = LogManager.GetCurrentClassLogger();

    /// <summary>Writes on their way at once.</summary>
    private const int MaxBatch = 64;

    private readonly CacheStore _store;
    private readonly IBlockQueue _below;
    private readonly BottomHalf _wake;
    private readonly Queue<CacheJob> _jobs = []; // guarded by itself
    private readonly List<CacheEntry> _batch = [];
    private readonly IoVector* _vectors;
    private readonly BlockRequest[] _requests = new BlockRequest[MaxBatch];
    private Action? _whenIdle;
    private Action? _afterBatch;
    private int _onTheWay;

    // The first error of a write that had completed already, or 0. It stays: which flush was to vouch for that write is not
    // known, and none that comes later can.
    private int _lateError;

    internal CacheWriter(CacheStore store, IBlockDriver below, AioContext context)
    {
        _store = store;
        Limits = below.Limits;
        _below = below.OpenQueue(context);
        _wake = context.CreateBottomHalf(Run, "cache writer");
        _vectors = (IoVector*)NativeMemory.Alloc(MaxBatch, (nuint)sizeof(IoVector));
        for (int i = 0; i < MaxBatch; i++)
        {
            _requests[i] = new BlockRequest(OnWritten) { Vectors = _vectors + i };
        }
    }

    internal BlockLimits Limits { get; }

    internal void Enqueue(CacheJob job)
    {
        lock (_jobs)
        {
            _jobs.Enqueue(job);
        }

        _wake.Schedule();
    }

    /// <summary>Makes everything stable; another thread's.</summary>
    internal int FlushAndWait()
    {
        int result = 0;
        using ManualResetEventSlim done = new();
        Enqueue(new CacheJob(_store.LastNumber, IsFlush: true, error =>
        {
            result = error;
            done.Set();
        }));
        done.Wait();
        return result;
    }

    /// <summary>The power is off: what is under way comes to its end, then the survivors go down, in their order.</summary>
    internal void Cut(PowerCutKeep keep, ulong seed, Action<PowerCutReport> done)
    {
        _whenIdle = () =>
        {
            List<CacheEntry> entries = _store.TakeAll();
            PowerCut cut = new(entries, keep, seed);
            Bring(cut.Survivors, 0, () =>
            {
                entries.ForEach(e => e.Dispose());
                done(cut.Report);
            });
        };
        Run();
    }

    public void Dispose()
    {
        _wake.Dispose();
        _below.Dispose();
        NativeMemory.Free(_vectors);
    }

    private void Run()
    {
        while (_onTheWay == 0)
        {
            if (_whenIdle is { } next)
            {
                _whenIdle = null;
                next();
                continue;
            }

            CacheJob? job;
            lock (_jobs)
            {
                _jobs.TryPeek(out job);
            }

            if (job is null)
            {
                return;
            }

            Step(job);
        }
    }

    /// <summary>The next thing to do for a job: a batch of writes, the flush after the last one, or its end.</summary>
    private void Step(CacheJob job)
    {
        if (!_store.IsPowered)
        {
            End(job, Errno.EIO);
            return;
        }

        _batch.Clear();
        if (job.IsFlush)
        {
            _store.Peek(job.UpTo, MaxBatch, _batch);
        }
        else
        {
            _store.PeekExcess(MaxBatch, _batch);
        }

        if (_batch.Count > 0)
        {
            int count = _batch.Count;
            Submit(_batch.ConvertAll(e => new CachePiece(e, 0, e.Length)), 0, count, () => _store.Drop(count));
        }
        else if (job.IsFlush)
        {
            BlockRequest flush = new(request =>
            {
                _onTheWay--;
                End(job, _lateError != 0 ? _lateError : request.Error);
                _wake.Schedule();
            }) { Operation = BlockOperation.Flush };
            _onTheWay = 1;
            _below.Submit(flush);
            _below.Commit();
        }
        else
        {
            End(job, 0);
        }
    }

    private void End(CacheJob job, int error)
    {
        lock (_jobs)
        {
            _jobs.Dequeue();
        }

        job.Finished(error);
    }

    /// <summary>Brings pieces down in their order: those at once that do not overlap.</summary>
    private void Bring(IReadOnlyList<CachePiece> pieces, int from, Action done)
    {
        if (from == pieces.Count)
        {
            done();
            return;
        }

        int to = from + 1;
        while (to < pieces.Count && to - from < MaxBatch && !Overlaps(pieces, from, to))
        {
            to++;
        }

        Submit(pieces, from, to - from, () => _whenIdle = () => Bring(pieces, to, done));
    }

    private static bool Overlaps(IReadOnlyList<CachePiece> pieces, int from, int candidate)
    {
        for (int i = from; i < candidate; i++)
        {
            if (pieces[i].Overlaps(pieces[candidate]))
            {
                return true;
            }
        }

        return false;
    }

    private void Submit(IReadOnlyList<CachePiece> pieces, int from, int count, Action after)
    {
        _afterBatch = after;
        _onTheWay = count + 1; // one for this method: a write may complete inside Submit
        for (int i = 0; i < count; i++)
        {
            CachePiece piece = pieces[from + i];
            BlockRequest request = _requests[i];
            request.Operation = piece.Entry.Operation;
            request.Flags = piece.Entry.Flags;
            request.Offset = piece.Entry.Offset + piece.Start;
            request.Length = piece.Length;
            request.VectorCount = piece.Entry.Data == null ? 0 : 1;
            request.Vectors[0] = new IoVector(piece.Entry.Data + piece.Start, (nuint)piece.Length); // inside the entry's data
            _below.Submit(request);
        }

        _below.Commit();
        OneLess();
    }

    private void OnWritten(BlockRequest request)
    {
        if (request.Error == Errno.EOPNOTSUPP && request.Operation == BlockOperation.Discard)
        {
            // It reads as zeroes already, so that is what the image has to get, if it cannot have a hole.
            request.Operation = BlockOperation.WriteZeroes;
            request.Flags = BlockRequestFlags.MayUnmap;
            _below.Submit(request);
            _below.Commit();
            return;
        }

        if (request.Error != 0 && _lateError == 0)
        {
            Log.Error("a cached write at {0} failed: {1}; every flush says so from now on", request.Offset, Errno.Describe(request.Error));
            _lateError = request.Error;
        }

        OneLess();
    }

    private void OneLess()
    {
        if (--_onTheWay == 0)
        {
            _afterBatch!();
            _wake.Schedule(); // Run, but not from inside a completion
        }
    }
}
