using Backend.Block;
using RingCore.Aio;
using RingCore.Posix;

namespace Backend.Faults;

/// <summary>
/// One queue's way into the volatile cache. Writes complete at once while there is room; reads are put together from cache
/// and image; what has to wait for the image is a job of the <see cref="CacheWriter"/>.
/// </summary>
internal sealed class VolatileCacheQueue : FilterQueue
{
    private readonly CacheStore _store;
    private readonly CacheWriter _writer;
    private readonly BlockLimits _limits;
    private readonly BottomHalf _finish;
    private readonly List<(BlockRequest Request, int Error)> _finished = []; // guarded by itself
    private readonly List<(BlockRequest Request, int Error)> _finishing = [];
    private int _atWriter;
    private int _works;

    internal VolatileCacheQueue(CacheStore store, CacheWriter writer, IBlockQueue below, AioContext context, int index)
        : base(below, index)
    {
        _store = store;
        _writer = writer;
        _limits = writer.Limits;
        _finish = context.CreateBottomHalf(CompleteFinished, "volatile cache");
    }

    /// <inheritdoc/>
    public override int InFlight => _atWriter + _works + Below.InFlight;

    /// <summary>A power cut loses or keeps each of the driver's writes by itself.</summary>
    public override bool TakesMerged => false;

    /// <inheritdoc/>
    public override void Submit(BlockRequest request)
    {
        switch (request.Operation)
        {
            case BlockOperation.Read:
                Read(request);
                break;
            case BlockOperation.Flush:
                Wait(request, new CacheJob(_store.LastNumber, IsFlush: true, error => Finished(request, error)));
                break;
            default:
                Write(request);
                break;
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _finish.Dispose();
        base.Dispose();
    }

    private void Read(BlockRequest request)
    {
        PieceWork? work = null;
        bool isWhole = false;
        bool isPowered = _store.TryRead(request, (start, end) =>
        {
            isWhole = start == 0 && end == request.Length;
            if (!isWhole)
            {
                work ??= new PieceWork(request, _ => _works--);
                work.Add(start, end, 0);
            }
        });
        if (!isPowered)
        {
            request.Complete(Errno.EIO);
        }
        else if (isWhole)
        {
            Below.Submit(request);
        }
        else if (work is null)
        {
            request.Complete(0);
        }
        else
        {
            _works++;
            work.Start(Below);
        }
    }

    private void Write(BlockRequest request)
    {
        int refusal = Check(request);
        if (refusal != 0 || request.Length == 0)
        {
            request.Complete(refusal);
            return;
        }

        long number = _store.Add(request, Index, out bool isFull);
        if (number == 0)
        {
            request.Complete(Errno.EIO);
        }
        else if (isFull || (request.Flags & BlockRequestFlags.ForceUnitAccess) != 0)
        {
            bool isFlush = (request.Flags & BlockRequestFlags.ForceUnitAccess) != 0;
            Wait(request, new CacheJob(number, isFlush, error => Finished(request, error)));
        }
        else
        {
            request.Complete(0);
        }
    }

    private int Check(BlockRequest request)
    {
        if (_limits.IsReadOnly)
        {
            return Errno.EROFS;
        }

        if (request.Operation == BlockOperation.Discard && !_limits.CanDiscard)
        {
            return Errno.EOPNOTSUPP;
        }

        bool fits = request.Offset >= 0 && request.Length >= 0 && request.Offset <= _limits.Length - request.Length;
        return fits ? 0 : Errno.EINVAL;
    }

    private void Wait(BlockRequest request, CacheJob job)
    {
        _atWriter++;
        _writer.Enqueue(job);
    }

    // On the writer's thread.
    private void Finished(BlockRequest request, int error)
    {
        lock (_finished)
        {
            _finished.Add((request, error));
        }

        _finish.Schedule();
    }

    private void CompleteFinished()
    {
        lock (_finished)
        {
            _finishing.AddRange(_finished);
            _finished.Clear();
        }

        foreach ((BlockRequest request, int error) in _finishing)
        {
            _atWriter--;
            request.Complete(error);
        }

        _finishing.Clear();
    }
}
