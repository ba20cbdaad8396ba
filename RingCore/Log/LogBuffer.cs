using RingCore.Posix;

namespace RingCore.Log;

/// <summary>
/// One of a writer's two buffers: records are given room in it under the writer's lock, filled in outside of it, and written
/// out when nobody fills any more.
/// </summary>
internal sealed unsafe class LogBuffer(int capacity) : IDisposable
{
    private MemoryMapping _memory = MemoryMapping.Anonymous((nuint)capacity);
    private int _filling;

    /// <summary>Bytes given away. Under the writer's lock, or by the writer once the buffer is its own.</summary>
    public int Used { get; set; }

    /// <summary>Number of the last record in it; the same rules.</summary>
    public long LastNumber { get; set; }

    public int Capacity => (int)_memory.Length;

    /// <summary>Somebody still copies into it. Partner: <see cref="Filled"/>, whose data must be seen when this is false.</summary>
    public bool IsFilling => Volatile.Read(ref _filling) != 0;

    /// <summary>Room for a record of <paramref name="size"/> bytes; null when it must wait. Under the writer's lock.</summary>
    public byte* TryTake(int size)
    {
        if (size > Capacity && Used == 0 && !IsFilling)
        {
            _memory.Dispose();
            _memory = MemoryMapping.Anonymous((nuint)size); // a record larger than ever: the buffer grows with it
        }

        if (size > Capacity - Used)
        {
            return null;
        }

        byte* place = _memory.Pointer + Used; // size bytes from here lie inside, as just checked
        Used += size;
        Interlocked.Increment(ref _filling); // partner: IsFilling
        return place;
    }

    /// <summary>A record's place is filled in. Any thread.</summary>
    public void Filled() => Interlocked.Decrement(ref _filling); // partner: IsFilling

    /// <summary>Everything given away. The writer's, when nobody fills.</summary>
    public Span<byte> Content => new(_memory.Pointer, Used);

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
