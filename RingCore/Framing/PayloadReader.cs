using System.Runtime.InteropServices;

namespace RingCore.Framing;

/// <summary>Reads a payload from front to back; never past its end. Host endian.</summary>
public ref struct PayloadReader(ReadOnlySpan<byte> payload)
{
    /// <summary>What has not been read yet.</summary>
    public ReadOnlySpan<byte> Rest { get; private set; } = payload;

    /// <summary>Takes the next struct; false, and nothing taken, when the payload is too short for it.</summary>
    public bool TryRead<T>(out T value)
        where T : unmanaged
    {
        if (!MemoryMarshal.TryRead(Rest, out value))
        {
            return false;
        }

        Rest = Rest[System.Runtime.CompilerServices.Unsafe.SizeOf<T>()..];
        return true;
    }
}

/// <summary>Writes a payload from front to back into a buffer that the caller has made large enough. Host endian.</summary>
public ref struct PayloadWriter(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;

    /// <summary>Bytes written so far.</summary>
    public int Position { get; private set; }

    /// <summary>Appends a struct.</summary>
    public void Write<T>(in T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(_buffer[Position..], value);
        Position += System.Runtime.CompilerServices.Unsafe.SizeOf<T>();
    }

    /// <summary>Appends bytes.</summary>
    public void Write(scoped ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer[Position..]);
        Position += bytes.Length;
    }

    /// <summary>Sets the next <paramref name="length"/> bytes aside and returns them.</summary>
    public Span<byte> Reserve(int length)
    {
        Span<byte> reserved = _buffer.Slice(Position, length);
        Position += length;
        return reserved;
    }
}
