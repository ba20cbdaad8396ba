using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>
/// One user of a loop's io_uring: operations with tags from 0 up to and without <see cref="Tags"/>, one at a time each.
/// They are handed to the kernel by the loop's next wait, with everybody else's. Loop's thread only, but for
/// <see cref="Dispose"/>. Allocates nothing after construction.
/// </summary>
public sealed unsafe class RingClient : IDisposable
{
    private readonly AioRing _ring;
    private readonly bool[] _inFlight;
    private bool _disposed;

    internal RingClient(AioRing ring, int index, IRingCompletion completion, int tags)
    {
        _ring = ring;
        Index = index;
        Completion = completion;
        _inFlight = new bool[tags];
    }

    /// <summary>Operations that it may have in flight.</summary>
    public int Tags => _inFlight.Length;

    /// <summary>Operations prepared and not completed.</summary>
    public int InFlight { get; private set; }

    /// <summary>Its place in <see cref="AioRing"/>.</summary>
    internal int Index { get; }

    internal IRingCompletion Completion { get; }

    /// <summary>Got a completion in this round, and no end of the batch yet.</summary>
    internal bool IsInBatch { get; set; }

    internal bool IsDisposed => _disposed;

    /// <summary>
    /// The entry for the operation <paramref name="tag"/>, zeroed but for its user data, which the caller leaves alone; never
    /// null. It is to be filled in before anything else is prepared. 128 bytes where <see cref="AioRing.HasLargeEntries"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">The tag's last operation has not completed.</exception>
    /// <exception cref="PosixException">EBUSY: the kernel takes nothing any more.</exception>
    public IoUringSqe* Prepare(uint tag)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_inFlight[tag])
        {
            throw new InvalidOperationException($"The ring operation {tag} is in flight.");
        }

        IoUringSqe* sqe = _ring.GetSqe();
        sqe->UserData = _ring.UserDataOf(this, tag);
        _inFlight[tag] = true;
        InFlight++;
        return sqe;
    }

    /// <summary>
    /// Cancels what is in flight; any thread. After it nothing is delivered any more, and the kernel touches no memory of
    /// these operations. Those that the kernel cannot cancel lose their ring: the loop goes on with a new one, and other
    /// clients' operations in flight end with ECANCELED.
    /// </summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _ring.Unregister(this);
        }
    }

    internal bool IsInFlight(uint tag) => _inFlight[tag];

    /// <summary>The kernel has done with the operation.</summary>
    internal void Ended(uint tag)
    {
        _inFlight[tag] = false;
        InFlight--;
    }

    internal void MarkDisposed() => _disposed = true;
}
