using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>
/// A regular file or block device read and written by position; failures are <see cref="PosixException"/>. Owns its
/// descriptor. Any thread, as far as the ranges do not overlap.
/// </summary>
public sealed unsafe class PositionedFile : IDisposable
{
    /// <summary>A modification time that nobody else sets: see <see cref="StampModified"/>.</summary>
    private const long StampSeconds = 1;

    private static readonly byte[] Zeroes = new byte[64 * 1024];
    private readonly FileDescriptor _fd;

    private PositionedFile(FileDescriptor fd, string path)
    {
        _fd = fd;
        Path = path;
        FileStatus status = FileStatus.Of(fd);
        IsRegular = status.Kind == FileKind.Regular;
        Length = status.Kind == FileKind.BlockDevice ? BlockDevice.GetSize(fd) : status.Size;
        IsDisk = IsRegular || status.Kind == FileKind.BlockDevice;
    }

    /// <summary>As it was given.</summary>
    public string Path { get; }

    /// <summary>Bytes, when it was opened or last set.</summary>
    public long Length { get; private set; }

    public bool IsRegular { get; }

    /// <summary>A regular file or a block device: something that can hold an image.</summary>
    public bool IsDisk { get; }

    /// <summary>The same file, whatever its name.</summary>
    public FileIdentity Identity => FileIdentity.Of(_fd);

    /// <summary>Made at or after this time; true as well when that is not known.</summary>
    public bool IsMadeAfter(DateTimeOffset time) => FileIdentity.BirthSeconds(_fd) is not { } birth || birth > time.ToUnixTimeSeconds();

    /// <exception cref="PosixException">With the errno of open(2).</exception>
    public static PositionedFile Open(string path, OpenFlags flags, int mode = 0b110_110_110)
    {
        FileDescriptor fd = FileDescriptor.Open(path, flags, mode);
        try
        {
            return new PositionedFile(fd, path);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>Reads up to the buffer's length; fewer bytes only at the file's end.</summary>
    public int Read(long offset, Span<byte> buffer)
    {
        int done = 0;

        // The span bounds what the kernel writes.
        fixed (byte* p = buffer)
        {
            while (done < buffer.Length)
            {
                nint n = Libc.readAt(_fd.Number, p + done, (nuint)(buffer.Length - done), offset + done);
                if (n == 0)
                {
                    break;
                }

                if (n > 0)
                {
                    done += (int)n;
                }
                else if (Marshal.GetLastPInvokeError() != Errno.EINTR)
                {
                    ThrowLast($"read {Path}");
                }
            }
        }

        return done;
    }

    /// <summary>Reads all of the buffer; what lies behind the file's end reads as zeroes.</summary>
    public void ReadPadded(long offset, Span<byte> buffer) => buffer[Read(offset, buffer)..].Clear();

    /// <summary>Writes all of the buffer.</summary>
    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        int done = 0;

        // The span bounds what the kernel reads.
        fixed (byte* p = buffer)
        {
            while (done < buffer.Length)
            {
                nint n = Libc.writeAt(_fd.Number, p + done, (nuint)(buffer.Length - done), offset + done);
                if (n > 0)
                {
                    done += (int)n;
                }
                else if (n == 0 || Marshal.GetLastPInvokeError() != Errno.EINTR)
                {
                    ThrowLast($"write {Path}");
                }
            }
        }
    }

    /// <summary>Makes the range read as zeroes: a hole where it is large and the file system has them.</summary>
    public void Zero(long offset, long length)
    {
        const AllocateMode punch = AllocateMode.PunchHole | AllocateMode.KeepSize;
        if (length >= Zeroes.Length && IsRegular && FileIo.Allocate(_fd, punch, offset, length) == 0)
        {
            return;
        }

        while (length > 0)
        {
            int piece = (int)Math.Min(length, Zeroes.Length);
            Write(offset, Zeroes.AsSpan(0, piece));
            offset += piece;
            length -= piece;
        }
    }

    /// <summary>Sets the size of a regular file.</summary>
    public void SetLength(long length)
    {
        Check(Libc.ftruncate(_fd.Number, length), $"truncate {Path}");
        Length = length;
    }

    /// <summary>
    /// The next range at or after <paramref name="offset"/> that may hold data, cut off at <paramref name="end"/>; false when
    /// only holes are left. A file system without holes has one range.
    /// </summary>
    public bool TryNextData(long offset, long end, out long start, out long length)
    {
        start = offset;
        length = Math.Max(0, end - offset);
        if (!IsRegular || length == 0)
        {
            return length > 0;
        }

        long data = Libc.seekFile(_fd.Number, offset, Libc.SEEK_DATA);
        if (data < 0)
        {
            // ENXIO: no data any more. Anything else: no such question to this file system.
            return Marshal.GetLastPInvokeError() != Errno.ENXIO;
        }

        long hole = Libc.seekFile(_fd.Number, data, Libc.SEEK_HOLE);
        start = data;
        length = Math.Min(hole < 0 ? end : hole, end) - data;
        return length > 0;
    }

    /// <summary>The file system knows that nothing is stored in the range: it reads as zeroes.</summary>
    public bool IsHole(long offset, long length) => !TryNextData(offset, offset + length, out long start, out _) || start >= offset + length;

    /// <summary>Shares all blocks of <paramref name="source"/>, if the file system can: at once, and no room taken.</summary>
    public bool TryClone(PositionedFile source)
    {
        if (Libc.ioctlClone(_fd.Number, Libc.FICLONE, source._fd.Number) != 0)
        {
            return false;
        }

        Length = source.Length;
        return true;
    }

    /// <summary>Copies a range within the kernel; false where it cannot, with nothing copied.</summary>
    public bool TryCopyRange(PositionedFile source, long offset, long length)
    {
        long from = offset;
        long to = offset;
        while (from < offset + length)
        {
            // Two offsets, which the kernel advances.
            nint n = Libc.copyFileRange(source._fd.Number, &from, _fd.Number, &to, (nuint)(offset + length - from), 0);
            if (n > 0 || (n < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR))
            {
                continue;
            }

            if (n == 0)
            {
                return true; // the source ends here
            }

            if (from == offset && Marshal.GetLastPInvokeError() is not (Errno.ENOSPC or Errno.EIO or Errno.EDQUOT or Errno.EFBIG))
            {
                return false;
            }

            ThrowLast($"copy to {Path}");
        }

        return true;
    }

    /// <summary>Waits until everything written is stable.</summary>
    public void Sync() => CheckResult(FileIo.DataSync(_fd), Path);

    /// <summary>From here on, <see cref="IsModified"/> tells whether anyone wrote to the file, this process included.</summary>
    public void StampModified()
    {
        // Two struct timespec of two longs each.
        long* times = stackalloc long[4] { StampSeconds, 0, StampSeconds, 0 };
        Check(Libc.setFileTimes(_fd.Number, times), $"utimens {Path}");
    }

    /// <summary>Anyone wrote since <see cref="StampModified"/>.</summary>
    public bool IsModified => FileIdentity.ModifiedSeconds(_fd) != StampSeconds;

    /// <inheritdoc/>
    public void Dispose() => _fd.Dispose();

    private static void CheckResult(int negativeErrno, string what)
    {
        if (negativeErrno < 0)
        {
            throw new PosixException(-negativeErrno, what);
        }
    }
}
