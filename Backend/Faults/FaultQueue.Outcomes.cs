using Backend.Block;
using RingCore.Faults;
using RingCore.Posix;

namespace Backend.Faults;

/// <content>How a request ends: as it would have, or otherwise.</content>
internal sealed unsafe partial class FaultQueue
{
    private int _works;

    private void Perform(BlockRequest request, ArmedRule? rule, ulong draw)
    {
        if (_filter.Power.IsOff)
        {
            request.Complete(Errno.EIO);
            return;
        }

        switch (rule?.Action)
        {
            case null:
                PassOn(request);
                break;
            case FailAction fail:
                request.Complete(fail.Errno);
                break;
            case DropAction when request.Operation == BlockOperation.Flush:
                request.Complete(0);
                break;
            case CorruptBitsAction corrupt:
                Corrupt(request, rule, corrupt.Bits, draw);
                break;
            case DropAction:
                Split(request, rule, kept: 0, moved: 0);
                break;
            case TearAction tear:
                Split(request, rule, kept: tear.Bytes, moved: 0);
                break;
            case MisdirectAction misdirect:
                Split(request, rule, kept: request.Length, moved: misdirect.Offset);
                break;
            default:
                _engine.TryCarryOut(rule, draw);
                request.Complete(Errno.EIO);
                break;
        }
    }

    /// <summary>
    /// Of the part that the rule is about, <paramref name="kept"/> bytes go <paramref name="moved"/> bytes away, the rest
    /// nowhere. What lies before and behind is served as ever.
    /// </summary>
    private void Split(BlockRequest request, ArmedRule rule, long kept, long moved)
    {
        (long start, long end) = rule.Part(request.Offset, request.Length);
        long keptEnd = Math.Min(end, start + Math.Min(kept, end - start));
        PieceWork work = new(request, WorkDone);
        work.Add(0, start, 0);
        if (IsOnDisk(request.Offset + start + moved, keptEnd - start))
        {
            work.Add(start, keptEnd, moved);
        }
        else if (request.Operation == BlockOperation.Read)
        {
            work.Fail(Errno.EIO); // there is nothing that could be read
        }

        work.Add(end, request.Length, 0);
        Start(work);
    }

    private void Corrupt(BlockRequest request, ArmedRule rule, int bits, ulong draw)
    {
        (long start, long end) = rule.Part(request.Offset, request.Length);
        if (request.Operation == BlockOperation.GetId)
        {
            BitFlips.Apply(request.Vectors, request.VectorCount, start, end - start, bits, draw);
            request.Complete(0);
            return;
        }

        PieceWork work = new(request, WorkDone);
        if (request.Operation == BlockOperation.Write)
        {
            // The driver's memory is not ours to write to: the image gets a spoilt copy.
            work.AddCopy();
            work.FlipCopy(start, end - start, bits, draw);
        }
        else
        {
            work.Add(0, request.Length, 0);
            work.FlipReply(start, end - start, bits, draw);
        }

        Start(work);
    }

    private bool IsOnDisk(long offset, long length) => offset >= 0 && offset <= _filter.Limits.Length - length;

    private void Start(PieceWork work)
    {
        _works++;
        work.Start(Below);
    }

    private void WorkDone(PieceWork work) => _works--;
}
