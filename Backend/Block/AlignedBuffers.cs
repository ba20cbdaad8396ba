using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// Page-aligned memory for one queue: bounce buffers for data that direct I/O cannot take where it lies, and zeroes. Grows
/// to what was in use at once, and keeps that.
/// </summary>
internal sealed unsafe class AlignedBuffers : IDisposable
{
    /// <summary>Bytes of a bounce buffer.</summary>
    internal const int BounceSize = 128 * 1024;

    /// <summary>Bytes of the zeroes.</summary>
    internal const int ZeroSize = 64 * 1024;

    private readonly List<MemoryMapping> _all = [];
    private readonly Stack<nint> _free = new();
    private MemoryMapping? _zeroes;

    /// <summary><see cref="ZeroSize"/> zero bytes, to be read only. Never written, they cost no memory.</summary>
    internal byte* Zeroes => (_zeroes ??= MemoryMapping.Anonymous(ZeroSize)).Pointer;

    /// <summary><see cref="BounceSize"/> bytes of any content.</summary>
    internal byte* Rent()
    {
        if (_free.TryPop(out nint buffer))
        {
            return (byte*)buffer;
        }

        MemoryMapping mapping = MemoryMapping.Anonymous(BounceSize);
        _all.Add(mapping);
        return mapping.Pointer;
    }

    internal void Return(byte* buffer) => _free.Push((nint)buffer);

    public void Dispose()
    {
        _all.ForEach(m => m.Dispose());
        _all.Clear();
        _free.Clear();
        _zeroes?.Dispose();
    }
}
