using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>One piece of a scattered buffer: struct iovec of the kernel, 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct IoVector(byte* @base, nuint length)
{
    /// <summary>First byte. Whoever fills it in vouches that <see cref="Length"/> bytes from here stay mapped.</summary>
    public byte* Base = @base;

    /// <summary>Length in bytes.</summary>
    public nuint Length = length;
}
