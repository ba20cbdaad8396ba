using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// One context's way into a raw image. What the page cache can serve is done inside <see cref="Submit"/>; all that might
/// wait for the medium goes to the engine, so that the thread never does. Requests complete in any order. All members
/// belong to the context's thread; Dispose may also come from another one when the context no longer runs, but still exists.
/// </summary>
internal sealed unsafe partial class RawImageQueue : IBlockQueue
{
    private readonly RawImage _image;
    private readonly ImageFile _file;
    private readonly RawTransferPool _transfers = new();
    private readonly AlignedBuffers _buffers = new();
    private readonly BlockQueueStatistics _statistics = new();
    private readonly IRawEngine _engine;

    /// <summary>What is synced; null where nothing ever is.</summary>
    private readonly FileDescriptor? _syncFile;

    internal RawImageQueue(RawImage image, AioContext context)
    {
        _image = image;
        _file = image.File;
        _syncFile = _file.Limits.IsReadOnly || _file.IsMemory ? null : _file.TakeSyncFile();
        try
        {
            FileDescriptor?[] files = [_file.File, _file.Buffered, _syncFile];
            _engine = image.CreateEngine(context, _transfers, _statistics, Finished, files.OfType<FileDescriptor>());
        }
        catch
        {
            ReturnSyncFile();
            throw;
        }
    }

    /// <inheritdoc/>
    public int InFlight { get; private set; }

    /// <inheritdoc/>
    public BlockQueueStatistics Statistics => _statistics;

    /// <inheritdoc/>
    public void Submit(BlockRequest request)
    {
        InFlight++;
        int refusal = Check(request);
        if (refusal != 0)
        {
            Complete(request, refusal);
            return;
        }

        switch (request.Operation)
        {
            case BlockOperation.Read:
                Read(request);
                break;
            case BlockOperation.Write:
                Write(request);
                break;
            case BlockOperation.Flush:
                Flush(request);
                break;
            case BlockOperation.Discard:
                StartZero(request, Punch);
                break;
            default:
                WriteZeroes(request);
                break;
        }
    }

    /// <inheritdoc/>
    public void Commit() => _engine.Submit();

    /// <inheritdoc/>
    public void UseMemory(GuestMemoryMap? memory) => _engine.UseMemory(memory);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (InFlight != 0)
        {
            throw new InvalidOperationException($"{InFlight} requests are in flight");
        }

        _engine.Dispose();
        ReturnSyncFile();
        _transfers.Dispose();
        _buffers.Dispose();
    }

    /// <summary>
    /// 0, or the errno for what cannot be done at all. The submitter has checked the range; a slip must not grow the file.
    /// </summary>
    private int Check(BlockRequest request)
    {
        if (request.Operation is BlockOperation.Read or BlockOperation.Flush)
        {
            return request.Operation == BlockOperation.Flush || Fits(request) ? 0 : Errno.EINVAL;
        }

        if (_file.Limits.IsReadOnly)
        {
            return Errno.EROFS;
        }

        if (request.Operation == BlockOperation.Discard && !_file.CanPunch)
        {
            return Errno.EOPNOTSUPP;
        }

        return Fits(request) ? 0 : Errno.EINVAL;
    }

    private bool Fits(BlockRequest request) =>
        request.Offset >= 0 && request.Length >= 0 && request.Offset <= _file.Limits.Length - request.Length;

    private void CompleteInline(BlockRequest request, int error)
    {
        _statistics.InlineCompletions++;
        Complete(request, error);
    }

    private void Complete(BlockRequest request, int error, string? detail = null)
    {
        if (error != 0)
        {
            _image.Errors.Report(request, error, detail);
        }

        InFlight--;
        request.Complete(error);
    }
}
