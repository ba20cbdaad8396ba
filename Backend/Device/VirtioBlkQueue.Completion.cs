using System.Diagnostics;
using Backend.Block;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Device;

/// <content>How a request's answer gets back to the driver.</content>
internal sealed unsafe partial class VirtioBlkQueue
{
    private void OnIoCompleted(BlockRequest block)
    {
        BlkIo io = (BlkIo)block.Owner!;
        BlkStatus status = block.Error switch
        {
            0 => BlkStatus.Ok,
            Errno.EOPNOTSUPP => BlkStatus.Unsupported,
            _ => BlkStatus.IoError,
        };
        VirtioBlkRequest? request = io.First;
        ReturnIo(io);
        while (request != null)
        {
            VirtioBlkRequest? next = request.Next; // Finish re-uses the link.
            Finish(request, status);
            request = next;
        }
    }

    private void Finish(VirtioBlkRequest request, BlkStatus status)
    {
        *request.Status = (byte)status; // One mapped byte: see Begin.

        // After a failed read the length that is certainly written is unknown: none is claimed (§2.7.8.2).
        uint written = status == BlkStatus.Ok ? request.Written : request.Written > 1 ? 0 : 1u;
        if (_queue.Faults is { } faults)
        {
            ReturnThroughFaults(faults, request.Head, written);
        }
        else
        {
            _ring.Push(request.Head, written);
        }

        Counters.Count(request.Type, request.Length, Stopwatch.GetTimestamp() - request.Started, status);
        _notifyPending = true;
        _bytesToNotify += request.Length;
        if (_bytesToNotify >= NotifyEveryBytes)
        {
            NotifyIfPending();
        }

        ReturnRequest(request);
    }
}
