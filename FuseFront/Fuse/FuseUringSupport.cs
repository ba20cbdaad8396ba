using NLog;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>Whether FUSE over io_uring can be had, what it takes, and what to do when it is off.</summary>
public static class FuseUringSupport
{
    /// <summary>The kernel's switch; counts at mount time.</summary>
    public const string Switch = "/sys/module/fuse/parameters/enable_uring";

    /// <summary>Requests of one FUSE queue, that is of one CPU, which are served at a time.</summary>
    public const int EntriesPerQueue = 32;

    /// <summary>Slots that a channel leaves alone, for requests of their owner's own.</summary>
    public const int SparedSlots = 1;

    private const string Remedy = $"enable it as root before mounting: echo Y > {Switch}";
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();

    /// <summary>
    /// FUSE queues that channel <paramref name="index"/> of <paramref name="channels"/> serves: CPU c's is dealt to channel
    /// c modulo the number of channels.
    /// </summary>
    public static int QueuesOf(int index, int channels) => (CpuTopology.PossibleCount - index + channels - 1) / channels;

    /// <summary>Slots with which each of so many channels has <see cref="EntriesPerQueue"/> for each of its FUSE queues.</summary>
    public static int SlotsWanted(int channels) => (EntriesPerQueue * QueuesOf(0, channels)) + SparedSlots;

    /// <summary>
    /// Settles <see cref="FuseTransport.Auto"/>: to Dev, with a line in the log, when io_uring cannot be had.
    /// </summary>
    /// <param name="wanted">What the user wants.</param>
    /// <param name="channels">Channels that there will be.</param>
    /// <param name="slots">Slots of each.</param>
    /// <exception cref="FuseMountException">Uring is wanted, and cannot be had.</exception>
    public static FuseTransport Choose(FuseTransport wanted, int channels, int slots)
    {
        if (wanted == FuseTransport.Dev)
        {
            return FuseTransport.Dev;
        }

        string? obstacle = Obstacle() ?? ObstacleIn(channels, slots);
        return obstacle == null ? FuseTransport.Uring : FallBack(wanted, obstacle);
    }

    /// <summary>Uring cannot be had after all: Dev, or the exception.</summary>
    internal static FuseTransport FallBack(FuseTransport wanted, string obstacle)
    {
        if (wanted == FuseTransport.Uring)
        {
            throw new FuseMountException($"FUSE over io_uring: {obstacle}", Errno.EOPNOTSUPP);
        }

        Log.Info("FUSE over /dev/fuse, not io_uring: {0}", obstacle);
        return FuseTransport.Dev;
    }

    /// <summary>What stands in the way, and what to do about it; null when nothing does, as far as can be told before mounting.</summary>
    internal static string? Obstacle()
    {
        if (!File.Exists(Switch))
        {
            return "this kernel's FUSE does not have it (Linux 6.14)";
        }

        // Read each time: it may be switched while we run.
        if (!File.ReadAllText(Switch).StartsWith('Y'))
        {
            return $"it is switched off; {Remedy}";
        }

        return RingErrno() switch
        {
            0 => null,
            Errno.EPERM => "io_uring is forbidden here; see /proc/sys/kernel/io_uring_disabled and the sandbox's seccomp filter",
            int errno => $"io_uring cannot be used: {Errno.Describe(errno)}",
        };
    }

    private static string? ObstacleIn(int channels, int slots) =>
        slots - SparedSlots >= QueuesOf(0, channels)
            ? null
            : $"{slots} slots a queue are too few for {CpuTopology.PossibleCount} CPUs on {channels} queues; take more queues";

    private static int RingErrno()
    {
        const IoUringSetup Wanted =
            IoUringSetup.Sqe128 | IoUringSetup.SubmitAll | IoUringSetup.SingleIssuer | IoUringSetup.DeferTaskRun;
        try
        {
            using IoUring ring = new(2, Wanted);
            return ring.Supports(IoUringOp.UringCmd) ? 0 : Errno.EOPNOTSUPP;
        }
        catch (PosixException e)
        {
            return e.Errno;
        }
    }
}
