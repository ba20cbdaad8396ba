using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FuseFront.Fuse.Wire;

/// <summary>Takes structs and names off a request, and tells when it is too short.</summary>
internal ref struct WireReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>The next struct; false, and nothing taken, when fewer bytes are left.</summary>
    internal bool TryRead<T>(out T value)
        where T : unmanaged
    {
        if (!MemoryMarshal.TryRead(_rest, out value))
        {
            return false;
        }

        _rest = _rest[Unsafe.SizeOf<T>()..];
        return true;
    }

    /// <summary>The next zero-ended name, without its zero; false when there is no zero.</summary>
    internal bool TryReadName(out ReadOnlySpan<byte> name)
    {
        int end = _rest.IndexOf((byte)0);
        name = end < 0 ? default : _rest[..end];
        _rest = _rest[(end + 1)..];
        return end >= 0;
    }
}

/// <summary>Puts structs and names one after another into a reply, and tells when it is full.</summary>
internal ref struct WireWriter(Span<byte> bytes)
{
    private readonly Span<byte> _bytes = bytes;

    /// <summary>Bytes written so far.</summary>
    internal int Length { get; private set; }

    /// <summary>Bytes that still fit.</summary>
    internal readonly int Free => _bytes.Length - Length;

    /// <summary>Appends; false, and nothing written, when it does not fit.</summary>
    internal bool TryWrite<T>(in T value)
        where T : unmanaged
    {
        if (!MemoryMarshal.TryWrite(_bytes[Length..], value))
        {
            return false;
        }

        Length += Unsafe.SizeOf<T>();
        return true;
    }

    /// <summary>
    /// Appends bytes, and zeroes up to <paramref name="paddedLength"/>. The caller has checked <see cref="Free"/>.
    /// </summary>
    internal void Write(scoped ReadOnlySpan<byte> value, int paddedLength)
    {
        Span<byte> target = _bytes.Slice(Length, paddedLength);
        value.CopyTo(target);
        target[value.Length..].Clear();
        Length += paddedLength;
    }
}
