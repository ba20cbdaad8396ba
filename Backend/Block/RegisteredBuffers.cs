using NLog;
using RingCore.Memory;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// Guest memory that a ring knows (registered buffers): the kernel pins its pages once, instead of for each operation. Learnt
/// piece by piece from the requests, so that nothing is pinned that carries no data; 2 MiB at most for a ring, since all rings
/// and programs of a user share RLIMIT_MEMLOCK (8 MiB as a rule). Where that is used up, requests go as before. Ring's thread only.
/// </summary>
/// <remarks>
/// A pin holds pages, not addresses. When an address comes to mean other pages, what was learnt must be forgotten, or data
/// would go to pages that nobody looks at: see <see cref="Use"/>.
/// </remarks>
internal sealed unsafe class RegisteredBuffers(IoUring ring)
{
    /// <summary>
    /// Bytes of a piece, which begins at the page where a request did. Enough for small ones; beside the transfer of large ones
    /// pinning does not count.
    /// </summary>
    internal const int PieceSize = 16 * 1024;

    /// <summary>Pieces that are looked at before the rest of memory goes unregistered.</summary>
    internal const int MaxPieces = 128;

    private const int Page = 4096;
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Dictionary<nuint, Piece> _pieces = [];
    private GuestMemoryMap? _memory;
    private bool _hasTable;
    private bool _isFull;

    /// <summary>From now on memory is this; null: none. With no operation in flight that uses a registered buffer.</summary>
    internal void Use(GuestMemoryMap? memory)
    {
        if (memory == _memory)
        {
            return; // a map is immutable: nothing has changed
        }

        Forget();
        _memory = memory;
    }

    /// <summary>The index of the registered buffer that holds all of the vector, registered now perhaps; -1 if there is none.</summary>
    internal int Find(in IoVector vector)
    {
        if (_memory is null || vector.Length > PieceSize)
        {
            return -1;
        }

        nuint start = (nuint)vector.Base & ~(nuint)(Page - 1);
        if (!_pieces.TryGetValue(start, out Piece piece))
        {
            if (_isFull)
            {
                return -1;
            }

            piece = Learn(start);
        }

        // Nothing wraps: the vector begins in the piece's first page, and what is not guest memory has no length.
        nuint offset = (nuint)vector.Base - start;
        return piece.Length >= Page && vector.Length <= piece.Length - offset ? piece.Index : -1;
    }

    /// <summary>Unpins everything. The ring is idle, or about to be closed.</summary>
    internal void Forget()
    {
        _pieces.Clear();
        _memory = null;
        if (_hasTable)
        {
            int error = ring.UnregisterBuffers();
            _hasTable = error != 0;
            if (_hasTable)
            {
                Log.Warn("guest memory stays pinned until the queue ends: {0}", Errno.Describe(-error));
            }
        }

        _isFull = _hasTable; // a table that cannot be emptied is not used again
    }

    /// <summary>Registers what of the piece can be. Remembered in any case: the next request asks about it again.</summary>
    private Piece Learn(nuint start)
    {
        IoVector part = _memory!.ClipToPinnable((byte*)start, PieceSize);
        Piece piece = new((ushort)_pieces.Count, part.Length);
        int error = part.Length == 0 ? 0 : Register(piece.Index, part);
        if (error != 0)
        {
            Log.Debug("a piece of guest memory is not registered: {0}", Errno.Describe(-error));
            piece = default;
        }

        _pieces.Add(start, piece);
        _isFull |= error == -Errno.ENOMEM || _pieces.Count == MaxPieces;
        return piece;
    }

    private int Register(ushort index, IoVector part)
    {
        if (!_hasTable)
        {
            try
            {
                ring.RegisterBufferTable(MaxPieces);
                _hasTable = true;
            }
            catch (PosixException e)
            {
                _isFull = true; // before Linux 5.19: there will be none
                return -e.Errno;
            }
        }

        return ring.RegisterBuffer(index, part);
    }

    private readonly record struct Piece(ushort Index, nuint Length);
}
