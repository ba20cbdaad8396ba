using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>One mmap(2) of this process. Owns the mapping, not the descriptor behind it.</summary>
public sealed unsafe class MemoryMapping : IDisposable
{
    private const int ProtRead = 1;
    private const int ProtWrite = 2;
    private const int MapShared = 1;
    private const int MapPrivate = 2;
    private const int MapFixed = 0x10;
    private const int MapAnonymous = 0x20;
    private byte* _pointer;

    private MemoryMapping(byte* pointer, nuint length)
    {
        _pointer = pointer;
        Length = length;
    }

    /// <summary>First byte; page aligned. Null once disposed.</summary>
    public byte* Pointer => _pointer;

    /// <summary>Length in bytes.</summary>
    public nuint Length { get; }

    /// <summary>Maps <paramref name="length"/> bytes of a file from <paramref name="offset"/> (page aligned), shared.</summary>
    /// <exception cref="PosixException">With the errno of mmap(2).</exception>
    public static MemoryMapping Shared(FileDescriptor fd, long offset, nuint length, bool writable) =>
        Map(fd.Number, offset, length, writable, MapShared);

    /// <summary>Private zeroed memory, outside the garbage collector's heap.</summary>
    public static MemoryMapping Anonymous(nuint length) => Map(-1, 0, length, true, MapPrivate | MapAnonymous);

    /// <summary>
    /// Turns a shared mapping of all of <paramref name="fd"/> from its beginning into a private one at the same address: what
    /// is written from now on is seen by nobody else. Other threads may be using it.
    /// </summary>
    public void MakePrivate(FileDescriptor fd)
    {
        // The range is this object's own, and stays mapped: one mapping replaces the other (mmap(2), MAP_FIXED).
        if (Libc.mmap(_pointer, Length, ProtRead | ProtWrite, MapPrivate | MapFixed, fd.Number, 0) == (byte*)-1)
        {
            ThrowLast($"mmap {Length} bytes");
        }
    }

    private static MemoryMapping Map(int fd, long offset, nuint length, bool writable, int flags)
    {
        byte* p = Libc.mmap(null, length, writable ? ProtRead | ProtWrite : ProtRead, flags, fd, offset);
        if (p == (byte*)-1)
        {
            ThrowLast($"mmap {length} bytes");
        }

        return new MemoryMapping(p, length);
    }

    /// <summary>Unmaps. No pointer into the range may be used after this.</summary>
    public void Dispose()
    {
        if (_pointer != null)
        {
            byte* p = _pointer;
            _pointer = null;
            Check(Libc.munmap(p, Length), "munmap");
        }
    }
}
