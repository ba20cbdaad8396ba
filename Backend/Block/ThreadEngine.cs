using RingCore.Aio;
using RingCore.Memory;

namespace Backend.Block;

/// <summary>
/// The engine without io_uring: batches go to the image's threads, and come back through a list that a bottom half of the
/// queue's context empties.
/// </summary>
internal sealed class ThreadEngine : IRawEngine
{
    private readonly RawThreads _threads;
    private readonly Action<RawTransfer> _finished;
    private readonly BlockQueueStatistics _statistics;
    private readonly BottomHalf _bottomHalf;
    private RawTransfer? _head;
    private RawTransfer? _tail;
    private int _count;

    /// <summary>Finished transfers, the latest first: pushed by workers, taken as a whole by the queue's thread.</summary>
    private RawTransfer? _returned;

    /// <summary>Workers inside <see cref="Return"/>.</summary>
    private int _returning;

    internal ThreadEngine(
        AioContext context, RawThreads threads, BlockQueueStatistics statistics, Action<RawTransfer> finished)
    {
        _threads = threads;
        _finished = finished;
        _statistics = statistics;
        _bottomHalf = context.CreateBottomHalf(Finish, "raw image threads");
    }

    public void Enqueue(RawTransfer transfer)
    {
        transfer.Engine = this;
        transfer.Next = null;
        if (_tail is null)
        {
            _head = transfer;
        }
        else
        {
            _tail.Next = transfer;
        }

        _tail = transfer;
        _count++;
    }

    public void Submit()
    {
        if (_head is { } head)
        {
            RawTransfer tail = _tail!;
            int count = _count;
            _head = _tail = null;
            _count = 0;
            _statistics.Enters++;
            _threads.Post(head, tail, count);
        }
    }

    public void UseMemory(GuestMemoryMap? memory)
    {
        // A system call looks its pages up by itself.
    }

    /// <summary>Gives back a transfer whose call has returned. Called by a worker.</summary>
    internal void Return(RawTransfer transfer)
    {
        Interlocked.Increment(ref _returning); // partner: the wait in Dispose
        RawTransfer? first;
        do
        {
            first = Volatile.Read(ref _returned);
            transfer.Next = first;
        }
        while (Interlocked.CompareExchange(ref _returned, transfer, first) != first); // partner: the Exchange in Finish
        if (first is null)
        {
            _bottomHalf.Schedule();
        }

        Interlocked.Decrement(ref _returning); // partner: the wait in Dispose
    }

    public void Dispose()
    {
        // The last transfer may be home while its worker is still about to schedule the bottom half.
        var wait = default(SpinWait);
        while (Volatile.Read(ref _returning) != 0) // partner: Return
        {
            wait.SpinOnce();
        }

        _bottomHalf.Dispose();
    }

    private void Finish()
    {
        RawTransfer? latest = Interlocked.Exchange(ref _returned, null); // partner: the push in Return
        RawTransfer? first = null;
        while (latest is { } transfer)
        {
            latest = transfer.Next;
            transfer.Next = first;
            first = transfer;
        }

        while (first is { } transfer)
        {
            first = transfer.Next;
            transfer.Next = null;
            _finished(transfer);
        }

        Submit();
    }
}
