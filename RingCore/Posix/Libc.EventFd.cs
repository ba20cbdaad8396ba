using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>Reading what a peer may have made blocking.</summary>
internal static unsafe partial class Libc
{
    internal const int RWF_NOWAIT = 8;

    /// <summary>With <see cref="RWF_NOWAIT"/>, on an eventfd, it cannot block. Offset -1 is that of read(2).</summary>
    [SuppressGCTransition]
    [LibraryImport(Name, EntryPoint = "preadv2", SetLastError = true)]
    internal static partial nint preadv2Nb(int fd, IoVector* vectors, int count, long offset, int flags);
}
