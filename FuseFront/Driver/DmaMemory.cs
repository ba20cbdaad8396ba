using RingCore.Posix;

namespace FuseFront.Driver;

/// <summary>
/// The guest memory that the driver shares with the device: one sealed memfd, mapped here, and known to the device from
/// <see cref="Iova"/> on. Pages cost nothing until they are touched.
/// </summary>
public sealed unsafe class DmaMemory : IDisposable
{
    private readonly MemoryMapping _mapping;

    /// <param name="length">Bytes, a multiple of the page size.</param>
    public DmaMemory(long length)
    {
        Descriptor = MemFd.CreateSealed("vdisk-dma", length);
        _mapping = MemoryMapping.Shared(Descriptor, 0, (nuint)length, writable: true);
        Length = (ulong)length;
    }

    /// <summary>To be sent to the device with the DMA map message.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>Device address of the first byte. Not zero, so that a zero address is never valid.</summary>
    public ulong Iova => 1UL << 32;

    public ulong Length { get; }

    /// <summary>Host address of the byte at <paramref name="offset"/>, of which the caller will use <paramref name="length"/>.</summary>
    public byte* At(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)(offset + length), Length);
        return _mapping.Pointer + offset;
    }

    /// <summary>Device address of a host address inside this memory.</summary>
    public ulong IovaOf(byte* pointer) => Iova + (ulong)(pointer - _mapping.Pointer);

    /// <summary>
    /// Shares it no longer: the device keeps what it was given, and sees nothing of what is written here from now on.
    /// </summary>
    public void Sever() => _mapping.MakePrivate(Descriptor);

    /// <summary>Unmaps. The device must have been told to forget it first.</summary>
    public void Dispose()
    {
        _mapping.Dispose();
        Descriptor.Dispose();
    }
}
