using System.Runtime.InteropServices;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>The system call that a <see cref="RawTransfer"/> asks its engine for.</summary>
internal enum RawCall
{
    Read,
    Write,
    DataSync,
    Allocate,
}

/// <summary>How a transfer gets through the bytes of its request.</summary>
internal enum RawPlan
{
    /// <summary>From or into the request's own memory.</summary>
    Direct,

    /// <summary>Piece by piece through an aligned buffer.</summary>
    Bounced,

    /// <summary>fallocate for the hole of the transfer, written zeroes for what lies before and behind it.</summary>
    Zero,

    /// <summary>fdatasync.</summary>
    Sync,
}

/// <summary>
/// A request on its way through an engine: one system call at a time until all bytes are done. Pooled by its queue, touched
/// by the queue's thread, and by an engine's worker between Enqueue and the return to the queue.
/// </summary>
internal sealed unsafe class RawTransfer(int index) : IDisposable
{
    private IoVector* _own;
    private int _ownCapacity;

    /// <summary>Place in the queue's table; names the transfer in a completion.</summary>
    internal int Index { get; } = index;

    /// <summary>Link of the one list that holds this transfer.</summary>
    internal RawTransfer? Next;

    internal ThreadEngine? Engine;
    internal BlockRequest? Request;
    internal RawPlan Plan;

    /// <summary>Bytes of the request that are finished.</summary>
    internal long Done;

    /// <summary>The part of a <see cref="RawPlan.Zero"/> request that fallocate is for: bytes from the request's start.</summary>
    internal long HoleStart;

    internal long HoleEnd;

    /// <summary>fdatasync once the bytes are done.</summary>
    internal bool SyncAfter;

    /// <summary>The aligned buffer of a bounced transfer.</summary>
    internal byte* Bounce;

    internal int Retries;

    // The call: filled by the queue, carried out by the engine.
    internal RawCall Call;
    internal FileDescriptor? File;
    internal ReadWriteFlags Flags;
    internal AllocateMode Mode;
    internal IoVector* Vectors;
    internal int VectorCount;
    internal long Offset;
    internal long Length;

    /// <summary>What the call returned: bytes, or a negative errno.</summary>
    internal nint Result;

    /// <summary>Aims the call at what is left of the request's own memory.</summary>
    internal void AimAtRest()
    {
        BlockRequest request = Request!;
        Offset = request.Offset + Done;
        if (Done == 0 && request.VectorCount <= FileIo.MaxVectors)
        {
            Vectors = request.Vectors;
            VectorCount = request.VectorCount;
            Length = request.Length;
            return;
        }

        // The request's vectors are not ours to change: what is left of them is copied. The copy has room for all of them.
        IoVector* own = Own(Math.Min(request.VectorCount, FileIo.MaxVectors));
        VectorCount = VectorSlice.Copy(request.Vectors, request.VectorCount, Done, own, FileIo.MaxVectors, out long length);
        Vectors = own;
        Length = length;
    }

    /// <summary>Aims the call at one linear piece for the next <paramref name="length"/> bytes.</summary>
    internal void AimAt(byte* buffer, long length)
    {
        IoVector* own = Own(1);
        own[0] = new IoVector(buffer, (nuint)length);
        Vectors = own;
        VectorCount = 1;
        Offset = Request!.Offset + Done;
        Length = length;
    }

    /// <summary>Aims the call at the same memory again and again, up to <paramref name="length"/> bytes and 64 vectors.</summary>
    internal void AimAtRepeated(byte* buffer, int size, long length)
    {
        const int most = 64;
        IoVector* own = Own(most);
        int count = 0;
        long left = length;
        for (; count < most && left > 0; count++)
        {
            long piece = Math.Min(size, left);
            own[count] = new IoVector(buffer, (nuint)piece);
            left -= piece;
        }

        Vectors = own;
        VectorCount = count;
        Offset = Request!.Offset + Done;
        Length = length - left;
    }

    /// <summary>Aims the call at the range that fallocate is for.</summary>
    internal void AimAtHole()
    {
        Offset = Request!.Offset + Done;
        Length = HoleEnd - Done;
    }

    /// <summary>Carries out the call on this thread and keeps the result.</summary>
    internal void Execute() => Result = Call switch
    {
        RawCall.Read => FileIo.ReadV(File!, Vectors, VectorCount, Offset, Flags),
        RawCall.Write => FileIo.WriteV(File!, Vectors, VectorCount, Offset, Flags),
        RawCall.DataSync => FileIo.DataSync(File!),
        _ => FileIo.Allocate(File!, Mode, Offset, Length),
    };

    public void Dispose()
    {
        NativeMemory.Free(_own);
        _own = null;
        _ownCapacity = 0;
    }

    private IoVector* Own(int count)
    {
        if (_ownCapacity < count)
        {
            NativeMemory.Free(_own);
            _own = (IoVector*)NativeMemory.Alloc((nuint)count, (nuint)sizeof(IoVector));
            _ownCapacity = count;
        }

        return _own;
    }
}
