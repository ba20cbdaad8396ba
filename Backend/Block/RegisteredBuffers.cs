using NLog;
using RingCore.Memory;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// Guest memory that a ring knows (registered buffers): the kernel pins its pages once, instead of for each operation. Learnt
/// piece by piece from the requests, so that nothing is pinned that carries no data; never more than 2 MiB, since all rings
/// and programs of a user share RLIMIT_MEMLOCK (8 MiB as a rule). Ring's thread only.
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
        if (_hasTable)
        {
            ring.UnregisterBuffers();
            _hasTable = false;
        }

        _pieces.Clear();
        _isFull = false;
        _memory = null;
    }

    /// <summary>Registers what of the piece is guest memory. Remembered in any case: the next request asks about it again.</summary>
    private Piece Learn(nuint start)
    {
        IoVector part = _memory!.ClipToWritable((byte*)start, PieceSize);
        Piece piece = new((ushort)_pieces.Count, part.Length);
        int error = part.Length == 0 ? 0 : Register(piece.Index, part);
        if (error != 0)
        {
            // Pages that cannot be pinned, or no more of them allowed: neither will be otherwise for the next piece.
            Log.Debug("{0} pieces of guest memory are registered, no more: {1}", _pieces.Count, Errno.Describe(-error));
            _isFull = true;
            return default;
        }

        _pieces.Add(start, piece);
        _isFull = _pieces.Count == MaxPieces;
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
                return -e.Errno; // before Linux 5.19
            }
        }

        return ring.RegisterBuffer(index, part);
    }

    private readonly record struct Piece(ushort Index, nuint Length);
}
