using NLog;
using RingCore.Aio;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// A disk that is a raw file or block device. Owns the descriptors, the lock that keeps other writers off, and the threads
/// of the thread engine. Queues must be disposed, with nothing in flight, before the image is.
/// </summary>
public sealed class RawImage : IBlockDriver
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly RawThreads _threads;
    private readonly bool _mayUseThreads;

    private RawImage(ImageFile file, AioEngine engine, RawImageOptions options)
    {
        File = file;
        Engine = engine;
        _mayUseThreads = options.Engine == AioEngine.Auto;
        Errors = new RawErrorLog(file.Path);
        _threads = new RawThreads("image", options.MaxThreads);
    }

    /// <inheritdoc/>
    public BlockLimits Limits => File.Limits;

    /// <summary>The engine in use: <see cref="AioEngine.IoUring"/> or <see cref="AioEngine.Threads"/>.</summary>
    public AioEngine Engine { get; }

    /// <summary>Which file it is.</summary>
    internal FileIdentity Identity => FileIdentity.Of(File.File);

    internal ImageFile File { get; }

    internal RawErrorLog Errors { get; }

    /// <summary>Opens and locks an image.</summary>
    /// <exception cref="ImageException">It cannot be used; the message says why, and what to do.</exception>
    public static RawImage Open(RawImageOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxThreads, 1, nameof(options));
        AioEngine engine = Choose(options);
        return new RawImage(ImageFile.Open(options), engine, options);
    }

    /// <summary>
    /// Opens a queue that belongs to <paramref name="context"/>; any thread. To be disposed on the context's thread
    /// (<see cref="AioContext.Invoke"/>), or before the context is.
    /// </summary>
    /// <exception cref="ImageException">io_uring was asked for, and no ring can be had.</exception>
    public IBlockQueue OpenQueue(AioContext context, int index = 0) => new RawImageQueue(this, context);

    /// <summary>Closes the image, which also gives up its lock.</summary>
    public void Dispose()
    {
        _threads.Dispose();
        File.Dispose();
    }

    /// <summary>An engine for one queue, most of whose transfers are for <paramref name="files"/>.</summary>
    /// <exception cref="ImageException">io_uring was asked for, and no ring can be had.</exception>
    internal IRawEngine CreateEngine(
        AioContext context,
        RawTransferPool transfers,
        BlockQueueStatistics statistics,
        Action<RawTransfer> finished,
        IEnumerable<FileDescriptor> files)
    {
        if (Engine == AioEngine.IoUring)
        {
            try
            {
                return new IoUringEngine(context, transfers, statistics, finished, files);
            }
            catch (PosixException e) when (_mayUseThreads)
            {
                Log.Warn("{0}: no ring for another queue ({1}): it uses threads", File.Path, e.Message);
            }
            catch (PosixException e)
            {
                throw new ImageException(File.Path, $"no ring for another queue ({e.Message}); use --aio threads", e);
            }
        }

        return new ThreadEngine(context, _threads, statistics, finished);
    }

    private static AioEngine Choose(RawImageOptions options)
    {
        if (options.Engine == AioEngine.Threads)
        {
            return AioEngine.Threads;
        }

        int errno = IoUring.UnavailableErrno;
        if (errno == 0)
        {
            return AioEngine.IoUring;
        }

        string why = $"io_uring is not available ({Errno.Describe(errno)})";
        if (options.Engine == AioEngine.IoUring)
        {
            throw new ImageException(options.Path, $"{why}; use --aio threads, or see sysctl kernel.io_uring_disabled");
        }

        Log.Info("{0}: {1}: using threads", options.Path, why);
        return AioEngine.Threads;
    }
}
