using NLog;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>
/// One FUSE mount, from mount(2) to its end: owns the mount and the channels, one a queue. Its methods may be called from
/// any thread, one at a time.
/// </summary>
public sealed class FuseSession : IDisposable
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private static readonly TimeSpan InitTimeout = TimeSpan.FromSeconds(20);

    private readonly FuseDevice _device;
    private readonly FuseDirectoryServer _server;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();

    // Replaced as a whole, so that a queue's thread may go through it.
    private volatile FuseChannel[] _channels = [];
    private bool _disposed;

    private readonly int _channelCount;

    private FuseSession(
        FuseMount mount, FuseDevice device, FuseDirectory directory, FuseNegotiation negotiated, FuseMountOptions options)
    {
        _channelCount = options.Channels;
        Mount = mount;
        _device = device;
        Directory = directory;
        Negotiated = negotiated;
        _server = new FuseDirectoryServer(directory);
    }

    /// <summary>The mount.</summary>
    public FuseMount Mount { get; }

    /// <summary>What it shows.</summary>
    public FuseDirectory Directory { get; }

    /// <summary>What INIT agreed on.</summary>
    public FuseNegotiation Negotiated { get; }

    /// <summary>How requests come: Dev or Uring.</summary>
    public FuseTransport Transport =>
        Negotiated.Flags.HasFlag(FuseInitFlags.OverIoUring) ? FuseTransport.Uring : FuseTransport.Dev;

    /// <summary>The channels, in the order they were added.</summary>
    public IReadOnlyList<FuseChannel> Channels => _channels;

    /// <summary>
    /// Completes when the mount is gone, whoever unmounted it; fails with a <see cref="PosixException"/> when receiving
    /// broke in an unforeseen way. The queues' threads do not run what continues here.
    /// </summary>
    public Task Ended => _ended.Task;

    /// <summary>
    /// Mounts and does the INIT handshake. Requests wait in the kernel until a channel has been added and started.
    /// </summary>
    /// <exception cref="FuseMountException">
    /// One line that says what is wrong with the mount point, or with mounting, or why there is no io_uring though demanded.
    /// </exception>
    /// <exception cref="ProtocolException">The kernel speaks no version this server knows.</exception>
    public static FuseSession Start(FuseMountOptions options, FuseDirectory directory)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxTransfer, 4096);
        FuseTransport transport = FuseUringSupport.Choose(options.Transport, options.Channels, int.MaxValue);
        FuseInitFlags flags = transport == FuseTransport.Uring ? FuseInitFlags.OverIoUring : FuseInitFlags.None;
        (FuseMount mount, FuseDevice device) = FuseMount.Create(options);
        try
        {
            FuseNegotiation negotiated = FuseHandshake.Perform(device, options.MaxTransfer, flags, InitTimeout);
            if ((negotiated.Flags & flags) != flags)
            {
                FuseUringSupport.FallBack(options.Transport, "the kernel does not offer it for this mount");
            }

            FuseSession session = new(mount, device, directory, negotiated, options);
            Log.Info("{0}: FUSE 7.{1} over {2}", mount.Path, negotiated.Minor, session.Transport == FuseTransport.Uring ? "io_uring" : "/dev/fuse");
            return session;
        }
        catch
        {
            device.Dispose(); // first: its descriptor may be what unmounting lacks
            mount.Unmount(lazy: true);
            throw;
        }
    }

    /// <summary>
    /// Adds a queue: a channel of its own, living on <paramref name="context"/>'s thread. <paramref name="slots"/> and
    /// <paramref name="handler"/> are used on that thread only. Not started yet.
    /// </summary>
    /// <exception cref="ArgumentException">
    /// The slots are smaller than the negotiated longest WRITE, or too few for the FUSE queues of io_uring.
    /// </exception>
    public FuseChannel AddChannel(AioContext context, IFuseSlotSource slots, IFuseDataHandler handler)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            int index = _channels.Length;
            if (Transport == FuseTransport.Uring && index >= _channelCount)
            {
                throw new InvalidOperationException($"The CPUs were dealt out to {_channelCount} channels.");
            }

            bool isFirst = index == 0;
            FuseDevice device = isFirst ? _device : _device.CloneChannel();
            try
            {
                FuseChannel channel = Transport == FuseTransport.Uring
                    ? new UringFuseChannel(this, index, _channelCount, context, slots, handler, _server, device, ownsDevice: !isFirst)
                    : new DevFuseChannel(this, index, context, slots, handler, _server, device, ownsDevice: !isFirst);
                _channels = [.. _channels, channel];
                return channel;
            }
            catch
            {
                if (!isFirst)
                {
                    device.Dispose();
                }

                throw;
            }
        }
    }

    /// <summary>Unmounts. Nothing happens when the mount is already gone. See <see cref="FuseMount.Unmount(bool)"/>.</summary>
    public void Unmount(bool lazy = false) => Mount.Unmount(lazy);

    /// <summary>
    /// Unmounts lazily if still mounted, and closes the channels, which must be stopped: requests not answered by then fail with
    /// ENOTCONN. The channels' contexts still exist.
    /// </summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            try
            {
                Mount.Unmount(lazy: true);
            }
            finally
            {
                foreach (FuseChannel channel in _channels)
                {
                    channel.Dispose();
                }

                _channels = [];
                _device.Dispose();
                _ended.TrySetResult();
            }
        }
    }

    /// <summary>
    /// Finds the channel that holds the request <paramref name="unique"/> and lets it cancel, each looking on its own
    /// thread. When none has it, <paramref name="notFound"/> runs on <paramref name="origin"/>'s thread, on which this is
    /// called.
    /// </summary>
    internal void Interrupt(FuseChannel origin, ulong unique, Action notFound)
    {
        if (origin.Interrupt(unique))
        {
            return;
        }

        // A request is in its channel's table before that channel's thread does anything else, and the kernel sends the INTERRUPT
        // after the request was received; so a look in a later round of that thread misses nothing.
        FuseChannel[] others = [.. _channels.Where(c => c != origin)];
        int left = others.Length;
        bool found = false;
        if (left == 0)
        {
            notFound();
        }

        foreach (FuseChannel channel in others)
        {
            channel.Context.ScheduleOneShot(() =>
            {
                if (channel.Interrupt(unique))
                {
                    // Partner: the read below, ordered by the decrement between them.
                    Volatile.Write(ref found, true);
                }

                // Partner: the same decrement on the other channels' threads; the last one sees what all have written.
                if (Interlocked.Decrement(ref left) == 0 && !Volatile.Read(ref found))
                {
                    origin.Context.ScheduleOneShot(notFound);
                }
            });
        }
    }

    /// <summary>A channel leaves requests behind that it cannot receive now: the others look once.</summary>
    internal void TellOthers(FuseChannel origin)
    {
        foreach (FuseChannel channel in _channels)
        {
            if (channel != origin)
            {
                channel.LookOnce();
            }
        }
    }

    /// <summary>
    /// A channel could receive no more: ENODEV is the ordinary end, by an unmount. Any thread, any number of times.
    /// </summary>
    internal void ReportEnd(int errno, string call = "read /dev/fuse")
    {
        if (errno is Errno.ENODEV or Errno.ECONNABORTED)
        {
            _ended.TrySetResult();
        }
        else
        {
            PosixException failure = new(errno, call);
            if (_ended.TrySetException(failure))
            {
                Log.Error("{0}: {1}", Mount.Path, failure.Message);
            }
        }
    }
}
