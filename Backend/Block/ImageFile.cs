using RingCore.Posix;

namespace Backend.Block;

/// <summary>
/// An opened, checked and locked raw image: its descriptors, and what its file system can do. Shared by all queues; the
/// things learnt on the way (<see cref="NoWaitReads"/> and so on) are plain fields, for it does no harm to learn them twice.
/// </summary>
internal sealed class ImageFile : IDisposable
{
    private readonly Stack<FileDescriptor> _syncFiles = []; // guarded by itself
    private int _flushError;

    private ImageFile(FileDescriptor claim, FileDescriptor file, RawImageOptions options)
    {
        Claim = claim;
        File = file;
        Path = options.Path;
        Cache = options.Cache;
    }

    internal string Path { get; }

    internal CacheMode Cache { get; }

    /// <summary>
    /// The image as it was opened first. Carries the locks, and a device's exclusive use, without which fallocate may not drop
    /// what the page cache has of it; not for reads and writes. A ring keeps its files open for some milliseconds after the process is
    /// gone, and who takes the image over then must not find it in use: so this is none of them.
    /// </summary>
    internal FileDescriptor Claim { get; }

    /// <summary>
    /// The image for reads and writes; with O_DIRECT when <see cref="IsDirect"/>. Not with O_NONBLOCK, on which io_uring answers
    /// EAGAIN instead of waiting.
    /// </summary>
    internal FileDescriptor File { get; }

    /// <summary>With <see cref="IsDirect"/>: the image through the page cache, for what is too unaligned for direct I/O.</summary>
    internal FileDescriptor? Buffered { get; private set; }

    internal required BlockLimits Limits { get; init; }

    /// <summary>I/O bypasses the page cache and obeys <see cref="Alignment"/>.</summary>
    internal bool IsDirect { get; private set; }

    internal DirectAlignment Alignment { get; private set; }

    /// <summary>The image lives in memory: nothing ever waits for a medium, so everything is done inline.</summary>
    internal bool IsMemory { get; private init; }

    /// <summary>Reads that must not wait (RWF_NOWAIT) are understood.</summary>
    internal bool NoWaitReads { get; set; } = true;

    /// <summary>Writes that must not wait (RWF_NOWAIT) are understood.</summary>
    internal bool NoWaitWrites { get; set; } = true;

    /// <summary>Bytes: what fallocate's ranges must be multiples of. Any will do on a file, whole blocks only on a device.</summary>
    internal int AllocateAlignment { get; private init; } = 1;

    /// <summary>fallocate can punch holes.</summary>
    internal bool CanPunch { get; set; }

    /// <summary>fallocate can zero ranges.</summary>
    internal bool CanZeroRange { get; set; } = true;

    /// <summary>
    /// The errno of the first failed flush, or 0. After a failed write-back the kernel counts the lost pages as clean, so that
    /// a second fdatasync would report success for data that is gone.
    /// </summary>
    internal int FlushError
    {
        get => Volatile.Read(ref _flushError); // any queue's thread; partner: the write, by the thread of the queue that met it
        set => Volatile.Write(ref _flushError, value);
    }

    /// <exception cref="ImageException">Whatever is wrong, with the remedy.</exception>
    internal static ImageFile Open(RawImageOptions options)
    {
        FileDescriptor claim = OpenDescriptor(options);
        FileDescriptor? file = null;
        ImageFile? image = null;
        try
        {
            FileStatus status = FileStatus.Of(claim);
            CheckKind(options.Path, status);
            if (!options.Force)
            {
                ImageLock.Take(claim, status, options.Path, options.ReadOnly);
            }

            // Asked again under the lock: its former user may just have changed the size.
            status = FileStatus.Of(claim);
            file = OpenAgain(claim, options.Path, Access(options), "for reads and writes");
            image = Describe(claim, file, status, options);
            if (options.Cache == CacheMode.None && !image.IsMemory)
            {
                image.GoDirect(status, options);
            }

            return image;
        }
        catch (Exception e)
        {
            image?.Buffered?.Dispose();
            file?.Dispose();
            claim.Dispose();
            if (e is PosixException posix)
            {
                throw new ImageException(options.Path, $"{posix.Message}; use another file or file system", posix);
            }

            throw;
        }
    }

    /// <summary>
    /// An open file description of the image for one queue's flushes: the kernel reports a write-back error once to each
    /// description, so that queues which shared one would take each other's. Any thread.
    /// </summary>
    /// <exception cref="ImageException">It cannot be opened again.</exception>
    internal FileDescriptor TakeSyncFile()
    {
        lock (_syncFiles)
        {
            if (_syncFiles.TryPop(out FileDescriptor? idle))
            {
                return idle;
            }
        }

        return OpenAgain(File, Path, OpenFlags.ReadOnly, "for another queue"); // enough for fdatasync
    }

    /// <summary>
    /// Keeps it for the next queue, which so learns of errors that came while there was none; and needs no permission to open the
    /// image anew.
    /// </summary>
    internal void ReturnSyncFile(FileDescriptor file)
    {
        lock (_syncFiles)
        {
            _syncFiles.Push(file);
        }
    }

    public void Dispose()
    {
        foreach (FileDescriptor file in _syncFiles)
        {
            file.Dispose();
        }

        Buffered?.Dispose();
        File.Dispose();
        Claim.Dispose();
    }

    private static FileDescriptor OpenDescriptor(RawImageOptions options)
    {
        try
        {
            // Non-blocking, since opening a FIFO would wait for its other end.
            OpenFlags access = Access(options);
            if (!options.ReadOnly && !options.Force)
            {
                // On a block device: fail if it is mounted. On a file it has no meaning without O_CREAT.
                access |= OpenFlags.Exclusive;
            }

            return FileDescriptor.Open(options.Path, access | OpenFlags.NonBlocking);
        }
        catch (PosixException e)
        {
            throw new ImageException(options.Path, OpenProblem.Describe(options.Path, options.ReadOnly, e.Errno), e);
        }
    }

    private static OpenFlags Access(RawImageOptions options) => options.ReadOnly ? OpenFlags.ReadOnly : OpenFlags.ReadWrite;

    private static FileDescriptor OpenAgain(FileDescriptor file, string path, OpenFlags flags, string purpose)
    {
        try
        {
            return FileIo.Reopen(file, flags);
        }
        catch (PosixException e)
        {
            throw new ImageException(path, $"it cannot be opened once more {purpose} ({e.Message}); see /proc and ulimit -n", e);
        }
    }

    private static void CheckKind(string path, FileStatus status)
    {
        if (status.Kind == FileKind.Directory)
        {
            throw new ImageException(path, OpenProblem.IsDirectory);
        }

        if (status.Kind == FileKind.Other)
        {
            throw new ImageException(path, OpenProblem.IsNoImage);
        }
    }

    private static ImageFile Describe(FileDescriptor claim, FileDescriptor file, FileStatus status, RawImageOptions options)
    {
        bool isDevice = status.Kind == FileKind.BlockDevice;
        long length = isDevice ? BlockDevice.GetSize(file) : status.Size;
        OpenProblem.CheckLength(options.Path, length);
        bool canPunch = !options.ReadOnly && (isDevice ? DeviceCanZero(status) : CanPunchHoles(file, length));
        var limits = new BlockLimits
        {
            Length = length,
            IsReadOnly = options.ReadOnly,
            PhysicalBlockSize = isDevice ? Math.Max(512, BlockDevice.GetPhysicalBlockSize(file)) : 4096,
            CanDiscard = canPunch,
            CanWriteZeroes = !options.ReadOnly,
        };
        return new ImageFile(claim, file, options)
        {
            Limits = limits,
            IsMemory = status.IsMemory,
            CanPunch = canPunch,
            AllocateAlignment = isDevice ? BlockDevice.GetLogicalBlockSize(file) : 1,
        };
    }

    /// <summary>Past the end there is nothing to deallocate, so the answer is all that this call gives.</summary>
    private static bool CanPunchHoles(FileDescriptor fd, long length) =>
        FileIo.Allocate(fd, AllocateMode.PunchHole | AllocateMode.KeepSize, length, 4096) == 0;

    /// <summary>A device's hole is a WRITE ZEROES command that may unmap; what it lacks is tried as writes.</summary>
    private static bool DeviceCanZero(FileStatus status)
    {
        string device = $"/sys/dev/block/{status.Major}:{status.Minor}";
        string queue = Directory.Exists($"{device}/queue") ? $"{device}/queue" : $"{device}/../queue"; // a partition
        string file = $"{queue}/write_zeroes_max_bytes";
        return System.IO.File.Exists(file) && System.IO.File.ReadAllText(file).Trim() != "0";
    }

    private void GoDirect(FileStatus status, RawImageOptions options)
    {
        Buffered = OpenAgain(File, Path, Access(options), "for what is not aligned");
        int error = FileIo.SetDirect(File);
        if (error != 0)
        {
            throw new ImageException(Path,
                $"its file system has no direct I/O ({Errno.Describe(-error)}); use --cache writeback or writethrough");
        }

        IsDirect = true;
        Alignment = DirectAlignment.Of(File, status);
    }
}
