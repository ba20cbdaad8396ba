using System.Diagnostics;
using Backend.Block;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>
/// The data path of one virtqueue: takes all that is ready, merges neighbours, submits one batch to the block layer,
/// returns what has completed and notifies once. Lives on one context; nothing here is shared with another queue.
/// Split by topic: this file is the loop, <c>.Requests</c> parses, <c>.Transfers</c> merges, <c>.Completion</c> answers.
/// </summary>
internal sealed partial class VirtioBlkQueue : IDisposable
{
    /// <summary>Completed bytes after which the driver is told at once, so that its copies overlap with ours.</summary>
    private const long NotifyEveryBytes = 64 * 1024;

    /// <summary>Batches served in a row before other handlers of the context run.</summary>
    private const int MaxBatchesPerTurn = 16;

    private readonly VirtioBlk _device;
    private readonly VirtQueue _queue;
    private readonly DeviceQueue _ring;
    private readonly AioContext _context;
    private readonly IVirtioTransport _transport;
    private readonly GuestNotifyBatch? _batch;
    private readonly DescriptorChain _chain = new();
    private readonly Action<BlockRequest> _completed;
    private readonly Action _roundEnd;
    private readonly BottomHalf _serveAgain;
    private IBlockQueue _block;
    private VirtioBlkRequest? _freeRequests;
    private BlkIo? _freeIos;
    private int _inFlight;
    private long _bytesToNotify;
    private bool _notifyPending;
    private bool _isQuiet;
    private bool _isBroken;
    private Action? _drained;

    /// <param name="batch">Batches notifications when EVENT_IDX is off; null: the ring decides at each batch end.</param>
    /// <param name="counters">Those of the queue, which outlive its stops and starts; counted by this object's thread.</param>
    public VirtioBlkQueue(
        VirtioBlk device,
        VirtQueue queue,
        AioContext context,
        IVirtioTransport transport,
        GuestNotifyBatch? batch,
        BlkQueueCounters counters)
    {
        Counters = counters;
        _device = device;
        _queue = queue;
        _ring = queue.Ring!;
        _context = context;
        _transport = transport;
        _batch = batch;
        _completed = OnIoCompleted;
        _block = device.Driver.OpenQueue(context, queue.Owner);
        UseMemory();
        Serve = ServeRing;
        _roundEnd = NotifyIfPending;
        _context.AddRoundEnd(_roundEnd);
        _serveAgain = _context.CreateBottomHalf(ServeRing, "serve again");
    }

    public int Index => _queue.Index;

    public AioContext Context => _context;

    public VirtQueue Registers => _queue;

    public BlkQueueCounters Counters { get; }

    /// <summary>Serves the ring; bound to the doorbell.</summary>
    public Action Serve { get; }

    /// <summary>There are chains which <see cref="Serve"/> would take; for busy-polling.</summary>
    public bool HasWork => !_isQuiet && !_isBroken && _ring.IsMapped && !_ring.IsEmpty;

    /// <summary>Requests taken and not returned.</summary>
    public int InFlight => _inFlight;

    /// <summary>
    /// Does again what another process that served this ring had in flight when it ended, in the order in which it had taken it.
    /// Before anything else.
    /// </summary>
    public void TakeAgain()
    {
        int taken = 0;
        try
        {
            while (_ring.TryTakeAgain(_chain))
            {
                taken++;
                Begin(_chain);
            }
        }
        catch (RingException e)
        {
            Break(e);
        }

        SubmitPending();
        _block.Commit();
        NotifyIfPending();
        if (taken > 0)
        {
            Counters.CountBatch(taken);
            VirtioBlk.Log.Info("queue {0}: {1} requests that were in flight are done again", Index, taken);
        }
    }

    /// <summary>
    /// Takes no more requests, and calls <paramref name="drained"/> on this thread once none is in flight (at once when
    /// none is). From then on nothing here looks at guest memory, until <see cref="Resume"/>.
    /// </summary>
    public void Quiesce(Action drained)
    {
        _isQuiet = true;
        _drained = drained;
        if (_inFlight == 0)
        {
            Rest();
        }
        else
        {
            _block.LetGo();
        }
    }

    /// <summary>After <see cref="Quiesce"/>: from now on requests go there. Owns it.</summary>
    public void ReplaceBlock(IBlockQueue block)
    {
        _block.Dispose();
        _block = block;
    }

    /// <summary>After <see cref="Quiesce"/>: finds the ring in the memory map as it is now, and serves what has gathered.</summary>
    public void Resume()
    {
        _isQuiet = false;
        UseMemory();
        if (!_ring.TryMap(_transport.Memory.Current))
        {
            VirtioBlk.Log.Info("queue {0}: its ring is not mapped at present", Index);
            return;
        }

        ServeRing();
    }

    /// <summary>Raises the queue's irq if the driver wants it for what has completed.</summary>
    public void RaiseIrqIfWanted()
    {
        if (_ring.ShouldNotify())
        {
            Counters.IrqsRaised++;
            if (_queue.Faults is { } faults)
            {
                NotifyThroughFaults(faults);
            }
            else
            {
                _transport.NotifyQueue(Index);
            }
        }
        else
        {
            Counters.IrqsSuppressed++;
        }
    }

    public void Dispose()
    {
        _context.RemoveRoundEnd(_roundEnd);
        _serveAgain.Dispose();
        _spurious?.Dispose();
        _block.Dispose();
        while (_freeIos is { } io)
        {
            _freeIos = io.NextFree;
            io.Dispose();
        }
    }

    /// <summary>Tells the block layer where the requests' data will be. Nothing is in flight.</summary>
    private void UseMemory() => _block.UseMemory(_transport.MayKeepPages ? _transport.Memory.Current : null);

    private void ServeRing()
    {
        if (_isQuiet || _isBroken || !_ring.IsMapped)
        {
            return;
        }

        try
        {
            // While busy-polling, notifications are off and stay so.
            bool suppress = _ring.NotificationsEnabled;
            int batches = 0;
            do
            {
                if (batches++ == MaxBatchesPerTurn)
                {
                    // The driver keeps up with us; the other queues of this context have a turn too.
                    _serveAgain.Schedule();
                    return;
                }

                if (suppress)
                {
                    _ring.DisableNotifications();
                }

                TakeBatch();
            }
            while (suppress ? _ring.EnableNotifications() : !_ring.IsEmpty);
        }
        catch (RingException e)
        {
            Break(e);
        }
    }

    private void TakeBatch()
    {
        int taken = 0;
        try
        {
            while (_ring.TryPop(_chain))
            {
                taken++;
                Begin(_chain);
            }
        }
        finally
        {
            // Also when the ring broke: what came before is good, and what is pending must not be forgotten.
            SubmitPending();
            _block.Commit();
            NotifyIfPending();
        }

        if (taken > 0)
        {
            Counters.CountBatch(taken);
        }
    }

    private void NotifyIfPending()
    {
        if (!_notifyPending)
        {
            return;
        }

        _notifyPending = false;
        _bytesToNotify = 0;
        if (_batch != null)
        {
            _batch.Add(this);
        }
        else
        {
            RaiseIrqIfWanted();
        }
    }

    private void Break(RingException e)
    {
        _isBroken = true;
        VirtioBlk.Log.Error("queue {0} needs a reset: {1}", Index, e.Message);
        _device.SetNeedsReset();
        _transport.NotifyQueueBroken(Index);
    }

    private VirtioBlkRequest TakeRequest()
    {
        VirtioBlkRequest request = _freeRequests ?? new VirtioBlkRequest();
        _freeRequests = request.Next;
        request.Next = null;
        request.Started = Stopwatch.GetTimestamp();
        _inFlight++;
        return request;
    }

    private void ReturnRequest(VirtioBlkRequest request)
    {
        request.Next = _freeRequests;
        _freeRequests = request;
        if (--_inFlight == 0 && _drained != null)
        {
            Rest();
        }
    }

    /// <summary>The queue is drained: tells the driver what it still has to know, and lets go of guest memory.</summary>
    private void Rest()
    {
        NotifyIfPending();
        _batch?.NotifyGuest(); // Whether the driver wants that is written in guest memory, so not later.
        _ring.Unmap();
        Action drained = _drained!;
        _drained = null;
        drained();
    }

    private BlkIo TakeIo()
    {
        BlkIo io = _freeIos ?? new BlkIo(_completed);
        _freeIos = io.NextFree;
        io.NextFree = null;
        return io;
    }

    private void ReturnIo(BlkIo io)
    {
        io.NextFree = _freeIos;
        _freeIos = io;
    }
}
