using Backend.Block;
using RingCore.Log;

namespace Backend.Recording;

/// <summary>
/// One queue's way through a <see cref="RecordFilter"/>. A request goes below under a number that says what had completed
/// when it was submitted, and is recorded when it comes back: its data is still the submitter's then, and stays in place.
/// Context's thread only; allocates nothing once it has as many requests as were ever in flight.
/// </summary>
internal sealed unsafe class RecordQueue(LogWriter log, IBlockQueue below, int index) : FilterQueue(below, index)
{
    private readonly Stack<Recorded> _free = [];

    /// <summary>Each request is to be seen by itself: what is merged here could not be lost in parts later.</summary>
    public override bool TakesMerged => false;

    /// <inheritdoc/>
    public override void Submit(BlockRequest request)
    {
        if (request.Operation is BlockOperation.Read or BlockOperation.GetId)
        {
            Below.Submit(request);
            return;
        }

        if (!_free.TryPop(out Recorded? recorded))
        {
            recorded = new Recorded(OnCompleted);
        }

        recorded.Begin(request, log.Last);
        Below.Submit(recorded.Request);
    }

    private void OnCompleted(BlockRequest request)
    {
        Recorded recorded = (Recorded)request.Owner!;
        Write(request, recorded.After);
        BlockRequest whole = recorded.End();
        _free.Push(recorded);
        whole.Complete(request.Error);
    }

    private void Write(BlockRequest request, long after)
    {
        bool hasData = request.Operation == BlockOperation.Write;
        LogWriter.Place place = log.Take(new LogRecord
        {
            Number = 0,
            After = after,
            Operation = OperationOf(request.Operation),
            Flags = FlagsOf(request.Flags),
            Queue = Index,
            Offset = request.Operation == BlockOperation.Flush ? 0 : request.Offset,
            Length = request.Operation == BlockOperation.Flush ? 0 : request.Length,
            Error = request.Error,
            DataLength = hasData ? checked((int)request.Length) : 0,
        });
        if (place.Data != null)
        {
            // The log gave room for the request's length, which is that of its vectors.
            VectorSlice.Gather(request.Vectors, request.VectorCount, 0, place.Data, hasData ? request.Length : 0);
            place.Filled();
        }
    }

    private static LogOperation OperationOf(BlockOperation operation) => operation switch
    {
        BlockOperation.Write => LogOperation.Write,
        BlockOperation.Discard => LogOperation.Discard,
        BlockOperation.WriteZeroes => LogOperation.WriteZeroes,
        _ => LogOperation.Flush,
    };

    private static LogFlags FlagsOf(BlockRequestFlags flags) =>
        ((flags & BlockRequestFlags.ForceUnitAccess) != 0 ? LogFlags.ForceUnitAccess : 0)
        | ((flags & BlockRequestFlags.MayUnmap) != 0 ? LogFlags.MayUnmap : 0);

    /// <summary>A request of the driver's on its way below.</summary>
    private sealed class Recorded
    {
        private BlockRequest? _whole;

        internal Recorded(Action<BlockRequest> completed) => Request = new BlockRequest(completed) { Owner = this };

        internal BlockRequest Request { get; }

        /// <summary>The last number that the log had given when this was submitted.</summary>
        internal long After { get; private set; }

        internal void Begin(BlockRequest whole, long after)
        {
            _whole = whole;
            After = after;
            Request.Operation = whole.Operation;
            Request.Flags = whole.Flags;
            Request.Offset = whole.Offset;
            Request.Length = whole.Length;
            Request.Vectors = whole.Vectors;
            Request.VectorCount = whole.VectorCount;
        }

        internal BlockRequest End()
        {
            BlockRequest whole = _whole!;
            _whole = null;
            return whole;
        }
    }
}
