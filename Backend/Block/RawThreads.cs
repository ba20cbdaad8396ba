using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// Threads that carry out blocking calls for all queues of an image. They start one by one when work waits and all are busy,
/// and stay. The lock is held for a few pointers only; with this engine the calls themselves are what costs.
/// </summary>
internal sealed class RawThreads(string name, int most) : IDisposable
{
    private readonly Lock _starting = new();
    private readonly object _gate = new();
    private readonly List<Thread> _threads = [];
    private RawTransfer? _head;
    private RawTransfer? _tail;
    private int _idle;
    private int _queued;
    private bool _stopping;

    /// <summary>Adds a list linked by Next. Any thread.</summary>
    internal void Post(RawTransfer head, RawTransfer tail, int count)
    {
        int missing;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            if (_tail is null)
            {
                _head = head;
            }
            else
            {
                _tail.Next = head;
            }

            _tail = tail;
            _queued += count;
            for (int i = Math.Min(count, _idle); i > 0; i--)
            {
                Monitor.Pulse(_gate);
            }

            missing = Math.Min(_queued - _idle, most - _threads.Count);
        }

        if (missing > 0)
        {
            Start(missing);
        }
    }

    /// <summary>Lets the threads finish what is queued and joins them.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _stopping = true;
            Monitor.PulseAll(_gate);
        }

        lock (_starting)
        {
            _threads.ForEach(t => t.Join());
        }
    }

    private void Start(int count)
    {
        lock (_starting)
        {
            for (; count > 0 && _threads.Count < most; count--)
            {
                var thread = new Thread(Work) { IsBackground = true, Name = $"{name}-io{_threads.Count}" };
                lock (_gate)
                {
                    _threads.Add(thread);
                }

                thread.Start();
            }
        }
    }

    private void Work()
    {
        while (Take() is { } transfer)
        {
            transfer.Execute();
            transfer.Engine!.Return(transfer);
        }
    }

    private RawTransfer? Take()
    {
        lock (_gate)
        {
            while (_head is null)
            {
                if (_stopping)
                {
                    return null;
                }

                _idle++;
                Monitor.Wait(_gate);
                _idle--;
            }

            RawTransfer transfer = _head;
            _head = transfer.Next;
            if (_head is null)
            {
                _tail = null;
            }

            transfer.Next = null;
            _queued--;
            return transfer;
        }
    }
}
