using System.Numerics;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// What O_DIRECT demands, in bytes: addresses in multiples of Memory; offsets, and the length of each vector, of Offset.
/// </summary>
internal readonly unsafe record struct DirectAlignment(int Memory, int Offset)
{
    private const int Page = 4096;

    /// <summary>Asks the kernel, and where it does not know tries.</summary>
    internal static DirectAlignment Of(FileDescriptor direct, FileStatus status)
    {
        int offset = status.Kind == FileKind.BlockDevice
            ? BlockDevice.GetLogicalBlockSize(direct)
            : status.DirectOffsetAlignment;
        int memory = status.DirectMemoryAlignment;
        offset = BitOperations.IsPow2(offset) ? Math.Max(512, offset) : Probe(direct);
        return new DirectAlignment(BitOperations.IsPow2(memory) ? memory : Page, offset);
    }

    internal bool FitsRange(long offset, long length) => ((offset | length) & (Offset - 1)) == 0;

    /// <summary>Every vector is aligned. Reads the vectors only.</summary>
    internal bool FitsVectors(IoVector* vectors, int count)
    {
        nuint bits = 0;
        for (int i = 0; i < count; i++)
        {
            bits |= (nuint)vectors[i].Base & (nuint)(Memory - 1);
            bits |= vectors[i].Length & (nuint)(Offset - 1);
        }

        return bits == 0;
    }

    /// <summary>Reads one sector into page-aligned memory; only a device of larger blocks refuses that.</summary>
    private static int Probe(FileDescriptor direct)
    {
        using MemoryMapping page = MemoryMapping.Anonymous(Page);
        var vector = new IoVector(page.Pointer, 512);
        return FileIo.ReadV(direct, &vector, 1, 0, ReadWriteFlags.None) == -Errno.EINVAL ? Page : 512;
    }
}
