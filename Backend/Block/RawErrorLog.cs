using NLog;
using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// Logs the I/O errors of one image: each kind (operation and errno) once as an error, with where it happened, and from then
/// on for debugging only, so that a full disk does not fill the log as well. Any thread.
/// </summary>
internal sealed class RawErrorLog(string path)
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Dictionary<(BlockOperation Operation, int Errno), long> _counts = [];

    /// <summary>Errors of this kind so far.</summary>
    internal long Count(BlockOperation operation, int errno)
    {
        lock (_counts)
        {
            return _counts.GetValueOrDefault((operation, errno));
        }
    }

    internal void Report(BlockRequest request, int errno, string? detail)
    {
        long count;
        lock (_counts)
        {
            count = _counts.GetValueOrDefault((request.Operation, errno)) + 1;
            _counts[(request.Operation, errno)] = count;
        }

        Log.Log(
            count == 1 ? LogLevel.Error : LogLevel.Debug,
            "{0}: {1} of {2} bytes at offset {3} failed: {4} ({5}), {6}",
            path,
            request.Operation,
            request.Length,
            request.Offset,
            detail ?? Errno.Describe(errno),
            Errno.Name(errno),
            count == 1 ? "the first of its kind; further ones are logged for debugging only" : $"number {count} of its kind");
    }
}
