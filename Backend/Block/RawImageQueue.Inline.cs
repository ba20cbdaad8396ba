using RingCore.Posix;

namespace Backend.Block;

/// <content>What is done inside Submit: requests that the page cache, or memory, can serve without waiting.</content>
internal sealed unsafe partial class RawImageQueue
{
    private const int PageMask = 4095;

    private bool Writethrough => _file.Cache == CacheMode.Writethrough;

    private void Read(BlockRequest request)
    {
        long done = 0;
        if (request.Length == 0)
        {
            CompleteInline(request, 0);
            return;
        }

        if (_file.IsMemory || (!_file.IsDirect && _file.NoWaitReads))
        {
            ReadWriteFlags flags = _file.IsMemory ? ReadWriteFlags.None : ReadWriteFlags.NoWait;
            int count = Math.Min(request.VectorCount, FileIo.MaxVectors);
            nint n = FileIo.ReadV(_file.File, request.Vectors, count, request.Offset, flags);
            if (TryFinishInline(request, n, out done))
            {
                return;
            }

            _file.NoWaitReads &= n != -Errno.EOPNOTSUPP;
        }

        StartReadWrite(request, RawCall.Read, done, ReadWriteFlags.None);
    }

    private void Write(BlockRequest request)
    {
        long done = 0;
        if (request.Length == 0)
        {
            CompleteInline(request, 0);
            return;
        }

        bool stable = Writethrough || (request.Flags & BlockRequestFlags.ForceUnitAccess) != 0;
        if ((_file.IsMemory || (!_file.IsDirect && !stable)) && TryWriteInline(request, out done))
        {
            return;
        }

        StartReadWrite(request, RawCall.Write, done, stable ? ReadWriteFlags.DataSync : ReadWriteFlags.None);
    }

    private bool TryWriteInline(BlockRequest request, out long done)
    {
        int count = Math.Min(request.VectorCount, FileIo.MaxVectors);
        if (!_file.IsMemory && _file.NoWaitWrites)
        {
            nint n = FileIo.WriteV(_file.File, request.Vectors, count, request.Offset, ReadWriteFlags.NoWait);
            if (n != -Errno.EOPNOTSUPP)
            {
                return TryFinishInline(request, n, out done);
            }

            _file.NoWaitWrites = false;
        }

        // Here the file system (ext4) does not say whether it would wait. A write of whole pages copies them into the page
        // cache and waits for the medium only when the host throttles writers, which an engine's worker would have to bear
        // as well. A part of a page may have to be read first: that is the engine's business.
        if (!_file.IsMemory && ((request.Offset | request.Length) & PageMask) != 0)
        {
            done = 0;
            return false;
        }

        return TryFinishInline(
            request, FileIo.WriteV(_file.File, request.Vectors, count, request.Offset, ReadWriteFlags.None), out done);
    }

    /// <summary>
    /// Completes the request when the call did all of it or failed for good. Otherwise false, and how many bytes it did: the
    /// rest is the engine's. A read or write of nothing is judged there, too.
    /// </summary>
    private bool TryFinishInline(BlockRequest request, nint result, out long done)
    {
        done = Math.Max(result, 0);
        if (result == request.Length)
        {
            CompleteInline(request, 0);
            return true;
        }

        if (result >= 0)
        {
            _statistics.ShortIos++;
            return false;
        }

        if (result is -Errno.EAGAIN or -Errno.EOPNOTSUPP)
        {
            return false;
        }

        CompleteInline(request, (int)-result);
        return true;
    }
}
