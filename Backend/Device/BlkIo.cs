using System.Runtime.InteropServices;
using Backend.Block;
using RingCore.Posix;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>
/// One I/O to the block layer, made of one request or of neighbouring ones that were merged. Pooled by its queue; owns the
/// native vector array. Context's thread only.
/// </summary>
internal sealed unsafe class BlkIo : IDisposable
{
    /// <summary>Most vectors in one I/O: IOV_MAX of the kernel.</summary>
    public const int MaxVectors = 1024;
    private const int FirstCapacity = 16;
    private int _capacity = FirstCapacity;

    public BlkIo(Action<BlockRequest> completed)
    {
        Block = new BlockRequest(completed)
        {
            Owner = this,
            Vectors = (IoVector*)NativeMemory.Alloc(FirstCapacity, (nuint)sizeof(IoVector)),
        };
    }

    public BlockRequest Block { get; }

    public VirtioBlkRequest? First { get; private set; }

    private VirtioBlkRequest? Last { get; set; }

    /// <summary>The next one in the free list.</summary>
    public BlkIo? NextFree { get; set; }

    /// <summary>Room for further vectors.</summary>
    public Span<IoVector> FreeVectors => new(Block.Vectors + Block.VectorCount, _capacity - Block.VectorCount);

    public void Begin(BlockOperation operation, long offset, long length, BlockRequestFlags flags)
    {
        Block.Operation = operation;
        Block.Offset = offset;
        Block.Length = length;
        Block.Flags = flags;
        Block.VectorCount = 0;
        First = null;
        Last = null;
    }

    public void Append(VirtioBlkRequest request)
    {
        request.Next = null;
        if (Last == null)
        {
            First = request;
        }
        else
        {
            Last.Next = request;
        }

        Last = request;
    }

    /// <summary>More room for vectors, what is there kept; false at the limit.</summary>
    public bool TryGrow()
    {
        if (_capacity == MaxVectors)
        {
            return false;
        }

        _capacity = Math.Min(_capacity * 4, MaxVectors);
        Block.Vectors = (IoVector*)NativeMemory.Realloc(Block.Vectors, (nuint)(_capacity * sizeof(IoVector)));
        return true;
    }

    public void Dispose()
    {
        NativeMemory.Free(Block.Vectors);
        Block.Vectors = null;
    }
}
