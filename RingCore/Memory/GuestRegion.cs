using RingCore.Posix;

namespace RingCore.Memory;

/// <summary>
/// One mapped IOVA range. Immutable; <see cref="GuestMemory"/> owns its mapping. Ranges end at <see cref="Last"/>, inclusive,
/// so that one may reach the very top of the address space.
/// </summary>
internal sealed unsafe class GuestRegion
{
    private readonly MemoryMapping? _mapping;
    private readonly FileIdentity _file;
    private readonly long _fileOffset;
    private readonly bool _writable;

    /// <summary>A range without memory behind it that this process can reach.</summary>
    internal GuestRegion(ulong start, ulong size, bool writable)
    {
        Start = start;
        Size = size;
        Last = start + (size - 1);
        _writable = writable;
    }

    /// <param name="start">First IOVA.</param>
    /// <param name="size">Length in bytes, not zero.</param>
    /// <param name="mapping">Covers the range from <paramref name="lead"/> on.</param>
    /// <param name="lead">Bytes of the mapping before the range.</param>
    /// <param name="file">What is mapped, to know an identical map again.</param>
    /// <param name="fileOffset">Where the range begins in it.</param>
    /// <param name="writable">The device may write to it.</param>
    internal GuestRegion(
        ulong start, ulong size, MemoryMapping mapping, nuint lead, FileIdentity file, long fileOffset, bool writable)
        : this(start, size, writable)
    {
        _mapping = mapping;
        Pointer = mapping.Pointer + lead;
        _file = file;
        _fileOffset = fileOffset;
    }

    internal ulong Start { get; }

    internal ulong Last { get; }

    internal ulong Size { get; }

    /// <summary>Host address of <see cref="Start"/>; null when the range is not accessible.</summary>
    internal byte* Pointer { get; }

    /// <summary>Its memory comes in pages of 4 KiB: hugetlbfs, and tmpfs with huge pages, tell another block size.</summary>
    internal bool HasSmallPages => _file.BlockSize <= GuestMemory.PageSize;

    internal bool IsMapped => _mapping is not null;

    internal bool Contains(ulong iova) => iova - Start < Size && iova >= Start;

    internal bool Allows(GuestAccess access) => Pointer != null && (_writable || access == GuestAccess.Read);

    /// <summary>The same range of the same file for the same use.</summary>
    internal bool IsIdentical(ulong start, ulong size, FileIdentity? file, long fileOffset, bool writable) =>
        Start == start && Size == size && _writable == writable
        && (file is { } f ? IsMapped && _file.IsSameFile(f) && _fileOffset == fileOffset : !IsMapped);

    internal void Unmap() => _mapping?.Dispose();
}
