using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>How the kernel runs a thread: its policy and its CPUs (sched(7)). A thread id of 0 is the calling thread.</summary>
public static unsafe class ThreadScheduling
{
    /// <summary>Most CPUs an affinity mask here can name.</summary>
    public const int MaxCpus = 8192;

    private const int SchedOther = 0;
    private const int SchedBatch = 3;
    private const int MaskBytes = MaxCpus / 8;

    /// <summary>The kernel's id of the calling thread.</summary>
    public static int CurrentThreadId => Libc.gettid();

    /// <summary>
    /// Lets the thread finish its time slice: as SCHED_BATCH it does not preempt what runs when it is woken, and is not
    /// taken for interactive. Needs no privilege. Returns 0 or an errno.
    /// </summary>
    public static int TrySetBatch(int threadId = 0) => TrySetPolicy(threadId, SchedBatch);

    /// <summary>
    /// Asks for time slices of so many nanoseconds (100 µs to 100 ms; 0: the standard ones). Who is woken and has shorter ones
    /// interrupts the thread at once. Needs no privilege; without effect before Linux 6.12. Returns 0 or an errno.
    /// </summary>
    public static int TrySetSlice(long nanoseconds, int threadId = 0)
    {
        SchedAttributes attributes = default;
        if (Libc.sched_getattr(threadId, &attributes) != 0)
        {
            return Marshal.GetLastPInvokeError();
        }

        attributes.Flags = 0;
        attributes.Runtime = (ulong)nanoseconds;
        return Libc.sched_setattr(threadId, &attributes) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>The time slice that <see cref="TrySetSlice"/> has set, or the standard one, in nanoseconds; 0 where the kernel does not say.</summary>
    public static long GetSlice(int threadId = 0)
    {
        SchedAttributes attributes = default;
        Check(Libc.sched_getattr(threadId, &attributes), "sched_getattr");
        return (long)attributes.Runtime;
    }

    /// <summary>Back to SCHED_OTHER. Returns 0 or an errno.</summary>
    public static int TrySetNormal(int threadId = 0) => TrySetPolicy(threadId, SchedOther);

    /// <summary>Tells whether the policy is SCHED_BATCH.</summary>
    public static bool IsBatch(int threadId = 0) =>
        Check(Libc.sched_getscheduler(threadId), "sched_getscheduler") == SchedBatch;

    /// <summary>The CPUs that the thread may run on, ascending.</summary>
    public static int[] GetAffinity(int threadId = 0)
    {
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        Check(Libc.sched_getaffinity(threadId, MaskBytes, mask), "sched_getaffinity");
        List<int> cpus = [];
        for (int cpu = 0; cpu < MaxCpus; cpu++)
        {
            if ((mask[cpu >> 3] & (1 << (cpu & 7))) != 0) // cpu >> 3 is below MaskBytes
            {
                cpus.Add(cpu);
            }
        }

        return [.. cpus];
    }

    /// <summary>Confines the thread to <paramref name="cpus"/> (each below <see cref="MaxCpus"/>). Returns 0 or an errno. Allocates nothing.</summary>
    public static int TrySetAffinity(ReadOnlySpan<int> cpus, int threadId = 0)
    {
        // Bit n of the mask is bit n of an array of longs; on the little-endian machines that we run on, of bytes too.
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        foreach (int cpu in cpus)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)cpu, (uint)MaxCpus, nameof(cpus));
            mask[cpu >> 3] |= (byte)(1 << (cpu & 7)); // bounded by the check above
        }

        return Libc.sched_setaffinity(threadId, MaskBytes, mask) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    private static int TrySetPolicy(int threadId, int policy)
    {
        int priority = 0; // struct sched_param is this one int
        return Libc.sched_setscheduler(threadId, policy, &priority) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }
}
