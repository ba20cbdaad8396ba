using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <content>Threads and their scheduling.</content>
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

    // The C library of Debian 12 does not wrap these two, and their numbers differ from machine to machine.
    internal static int sched_setattr(int tid, SchedAttributes* attributes) =>
        (int)syscall(IsX64 ? 314 : 274, tid, (nint)attributes, 0, 0, 0, 0);

    internal static int sched_getattr(int tid, SchedAttributes* attributes) =>
        (int)syscall(IsX64 ? 315 : 275, tid, (nint)attributes, sizeof(SchedAttributes), 0, 0, 0);

    private static bool IsX64 => RuntimeInformation.ProcessArchitecture == Architecture.X64;
}

/// <summary>struct sched_attr of sched_setattr(2), in its first form.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SchedAttributes
{
    public uint Size;
    public uint Policy;
    public ulong Flags;
    public int Nice;
    public uint Priority;

    /// <summary>With SCHED_OTHER and SCHED_BATCH the length of a time slice in nanoseconds, since Linux 6.12; 0: the standard one.</summary>
    public ulong Runtime;
    public ulong Deadline;
    public ulong Period;
}
