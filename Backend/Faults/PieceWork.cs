using System.Runtime.InteropServices;
using Backend.Block;
using RingCore.Posix;

namespace Backend.Faults;

/// <summary>
/// One request of the driver carried out as others: in parts, elsewhere, or with other data. Completes the request when all
/// its pieces are done, with the first error. Made for a rule that strikes; queue's thread only.
/// </summary>
internal sealed unsafe class PieceWork(BlockRequest whole, Action<PieceWork> done)
{
    private readonly List<BlockRequest> _pieces = [];
    private readonly List<nint> _memory = [];
    private byte* _copy;
    private int _left;
    private int _error;
    private Action? _afterSuccess;

    /// <summary>Serves the request's bytes [start, end) at their place plus <paramref name="moved"/>.</summary>
    internal void Add(long start, long end, long moved)
    {
        if (start >= end)
        {
            return;
        }

        BlockRequest piece = NewPiece(whole.Offset + start + moved, end - start);
        if (whole.VectorCount > 0)
        {
            piece.Vectors = (IoVector*)Allocate(whole.VectorCount * sizeof(IoVector));
            piece.VectorCount = Slice(start, end - start, piece.Vectors);
        }
    }

    /// <summary>Writes the whole request from a copy of its data.</summary>
    internal void AddCopy()
    {
        BlockRequest piece = NewPiece(whole.Offset, whole.Length);
        _copy = (byte*)Allocate(whole.Length); // Length bytes, as Gather fills and the vector says
        VectorSlice.Gather(whole.Vectors, whole.VectorCount, 0, _copy, whole.Length);
        piece.Vectors = (IoVector*)Allocate(sizeof(IoVector));
        piece.VectorCount = 1;
        *piece.Vectors = new IoVector(_copy, (nuint)whole.Length);
    }

    /// <summary>Turns bits of the copy over.</summary>
    internal void FlipCopy(long start, long length, int bits, ulong draw) =>
        BitFlips.Apply(_pieces[^1].Vectors, 1, start, length, bits, draw);

    /// <summary>Turns bits of what was read over, before the driver sees it.</summary>
    internal void FlipReply(long start, long length, int bits, ulong draw) =>
        _afterSuccess = () => BitFlips.Apply(whole.Vectors, whole.VectorCount, start, length, bits, draw);

    /// <summary>The request fails, whatever becomes of its pieces.</summary>
    internal void Fail(int errno) => _error = errno;

    internal void Start(IBlockQueue below)
    {
        _left = _pieces.Count + 1; // one for this method: a piece may complete inside Submit
        foreach (BlockRequest piece in _pieces)
        {
            below.Submit(piece);
        }

        PieceDone();
    }

    private void OnCompleted(BlockRequest piece)
    {
        if (_error == 0)
        {
            _error = piece.Error;
        }

        PieceDone();
    }

    private void PieceDone()
    {
        if (--_left > 0)
        {
            return;
        }

        if (_error == 0)
        {
            _afterSuccess?.Invoke();
        }

        _memory.ForEach(p => NativeMemory.AlignedFree((void*)p));
        done(this);
        whole.Complete(_error);
    }

    private BlockRequest NewPiece(long offset, long length)
    {
        BlockRequest piece = new(OnCompleted) { Operation = whole.Operation, Flags = whole.Flags, Offset = offset, Length = length };
        _pieces.Add(piece);
        return piece;
    }

    private void* Allocate(long bytes)
    {
        void* p = NativeMemory.AlignedAlloc((nuint)bytes, 4096);
        _memory.Add((nint)p);
        return p;
    }

    // Writes at most as many vectors as the whole has, for which there is room; each lies inside one of those.
    private int Slice(long skip, long length, IoVector* target)
    {
        int count = VectorSlice.Copy(whole.Vectors, whole.VectorCount, skip, target, whole.VectorCount, out _);
        int used = 0;
        while (used < count && length > 0)
        {
            long size = Math.Min((long)target[used].Length, length);
            target[used++].Length = (nuint)size;
            length -= size;
        }

        return used;
    }
}
