using System.Security.Cryptography;
using RingCore.Hosting;
using RingCore.Posix;

namespace Bench.Measuring;

/// <summary>Shows that a mount serves the very image: what is written into the one must be read from the other.</summary>
internal static unsafe class Marker
{
    private const int Block = 4096;

    /// <summary>
    /// Writes a fresh block into <paramref name="image"/> and reads it, past all caches, from <paramref name="file"/>.
    /// </summary>
    /// <exception cref="UserErrorException">Something else is read.</exception>
    public static void Verify(string image, string file, long offset)
    {
        byte[] marker = RandomNumberGenerator.GetBytes(Block);
        using (FileDescriptor direct = FileDescriptor.Open(image, OpenFlags.WriteOnly))
        {
            Transfer(direct, marker, offset, write: true);
        }

        byte[] read = new byte[Block];
        using FileDescriptor mounted = FileDescriptor.Open(file, OpenFlags.ReadOnly | OpenFlags.Direct);
        Transfer(mounted, read, offset, write: false);
        if (!read.AsSpan().SequenceEqual(marker))
        {
            throw new UserErrorException($"{file} does not show what is in {image}");
        }
    }

    private static void Transfer(FileDescriptor fd, byte[] block, long offset, bool write)
    {
        // Page-aligned memory of exactly one block, as direct I/O wants it; the one vector describes it.
        using MemoryMapping memory = MemoryMapping.Anonymous(Block);
        Span<byte> bytes = new(memory.Pointer, Block);
        IoVector vector = new(memory.Pointer, Block);
        block.CopyTo(bytes);
        nint n = write ? FileIo.WriteV(fd, &vector, 1, offset, 0) : FileIo.ReadV(fd, &vector, 1, offset, 0);
        if (n != Block)
        {
            throw new PosixException(n < 0 ? (int)-n : Errno.EIO, "the marker's block");
        }

        bytes.CopyTo(block);
    }
}
