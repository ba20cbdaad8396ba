using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <content>Threads, their scheduling, and sessions.</content>
internal static unsafe partial class Libc
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int gettid();

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int sched_setscheduler(int tid, int policy, int* priority);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int sched_getscheduler(int tid);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int sched_setaffinity(int tid, nuint size, byte* mask);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int sched_getaffinity(int tid, nuint size, byte* mask);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int setsid();
}
