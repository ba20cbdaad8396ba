using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <content>poll(2).</content>
internal static unsafe partial class Libc
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int poll(PollEntry* entries, ulong count, int timeoutMs);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollEntry
    {
        internal int Fd;
        internal short Events;
        internal short Returned;
    }
}
