using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>
/// The io_uring that a context waits with, for others to use: what they prepare goes to the kernel with the loop's one
/// system call a round. Belongs to the loop's thread.
/// </summary>
public sealed unsafe class AioRing
{
    private const ulong ClientMark = 1UL << 62;
    private const int IndexShift = 32;
    private const ulong IndexMask = 0xFFFF;
    private readonly AioContext _context;
    private readonly List<RingClient?> _clients = [];

    // Completions that were reaped and not delivered: a circular buffer. Grows when nested rounds reap faster than is delivered.
    private Completion[] _pending = new Completion[512];
    private int _first;
    private int _count;

    internal AioRing(AioContext context) => _context = context;

    /// <summary>Entries have 128 bytes: <see cref="AioContextOptions.LargeSubmissionEntries"/> was asked for, and the kernel has it.</summary>
    public bool HasLargeEntries => Monitor?.HasLargeEntries ?? false;

    /// <summary>The monitor in use; replaced when its ring is.</summary>
    internal IoUringMonitor? Monitor { get; set; }

    internal bool HasPending => _count != 0;

    /// <summary>A new client with tags below <paramref name="tags"/>.</summary>
    public RingClient Register(IRingCompletion completion, int tags)
    {
        int index = _clients.IndexOf(null);
        if (index < 0)
        {
            index = _clients.Count;
            ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)index, IndexMask);
            _clients.Add(null);
        }

        RingClient client = new(this, index, completion, tags);
        _clients[index] = client;
        return client;
    }

    /// <summary>Tells completions of clients from the monitor's own.</summary>
    internal static bool IsClients(ulong userData) => (userData & (ClientMark << 1 | ClientMark)) == ClientMark;

    internal ulong UserDataOf(RingClient client, uint tag) => ClientMark | ((ulong)client.Index << IndexShift) | tag;

    internal IoUringSqe* GetSqe() => Monitor!.GetSqe();

    /// <summary>A completion was reaped: kept for <see cref="Deliver"/>.</summary>
    internal void Reaped(ulong userData, int result)
    {
        RingClient client = _clients[(int)((userData >> IndexShift) & IndexMask)]!;
        Enqueue(new Completion(client, (uint)userData, result));
    }

    /// <summary>Delivers all that was reaped. One by one, since a callback may run a nested round that delivers the rest.</summary>
    internal bool Deliver()
    {
        if (_count == 0)
        {
            return false;
        }

        while (_count != 0)
        {
            Completion completion = _pending[_first];
            _first = (_first + 1) & (_pending.Length - 1);
            _count--;
            RingClient client = completion.Client;
            client.Ended(completion.Tag);
            if (!client.IsDisposed)
            {
                client.IsInBatch = true;
                client.Completion.Completed(completion.Tag, completion.Result);
            }
        }

        EndBatches();
        return true;
    }

    /// <summary>See <see cref="RingClient.Dispose"/>. Any thread.</summary>
    internal void Unregister(RingClient client)
    {
        if (_context.IsDisposed)
        {
            client.MarkDisposed(); // the ring is closed: the kernel has let go
            return;
        }

        _context.Invoke(() =>
        {
            if (client.InFlight != 0)
            {
                Monitor!.CancelAll(client);
            }

            if (CountInKernel(client) != 0)
            {
                _context.ReplaceMonitor();
            }

            client.MarkDisposed();
            DropPending(client);
            _clients[client.Index] = null;
        });
    }

    /// <summary>The ring is being closed: what its clients have in flight ends here.</summary>
    internal void CancelInFlight()
    {
        foreach (RingClient? client in _clients)
        {
            for (uint tag = 0; client is { InFlight: > 0 } && tag < client.Tags; tag++)
            {
                if (client.IsInFlight(tag) && !IsPending(client, tag))
                {
                    Enqueue(new Completion(client, tag, -Errno.ECANCELED));
                }
            }
        }
    }

    /// <summary>Operations of the client whose completion has not even been reaped.</summary>
    internal int CountInKernel(RingClient client)
    {
        int reaped = 0;
        for (int i = 0; i < _count; i++)
        {
            reaped += Pending(i).Client == client ? 1 : 0;
        }

        return client.InFlight - reaped;
    }

    private void EndBatches()
    {
        for (int i = 0; i < _clients.Count; i++)
        {
            if (_clients[i] is { IsInBatch: true } client)
            {
                client.IsInBatch = false;
                client.Completion.EndBatch();
            }
        }
    }

    private bool IsPending(RingClient client, uint tag)
    {
        for (int i = 0; i < _count; i++)
        {
            if (Pending(i).Client == client && Pending(i).Tag == tag)
            {
                return true;
            }
        }

        return false;
    }

    private void DropPending(RingClient client)
    {
        int count = _count;
        _count = 0;
        for (int i = 0; i < count; i++)
        {
            Completion completion = Pending(i);
            if (completion.Client != client)
            {
                _pending[(_first + _count++) & (_pending.Length - 1)] = completion; // at or before where it was
            }
        }
    }

    private Completion Pending(int i) => _pending[(_first + i) & (_pending.Length - 1)];

    private void Enqueue(Completion completion)
    {
        if (_count == _pending.Length)
        {
            Completion[] larger = new Completion[_pending.Length * 2];
            for (int i = 0; i < _count; i++)
            {
                larger[i] = Pending(i);
            }

            _pending = larger;
            _first = 0;
        }

        _pending[(_first + _count++) & (_pending.Length - 1)] = completion;
    }

    private readonly record struct Completion(RingClient Client, uint Tag, int Result);
}
