using RingCore.Hosting;
using RingCore.Log;
using RingCore.Posix;
using Vdisk.Mounts;
using Vdisk.Processes;
using LogTail = Vdisk.Processes.LogTail;

namespace Vdisk.Attachments;

/// <summary>
/// Attaches a disk: starts the backend (unless another's serves the disk), then the front, and waits until the file is there. All of it or nothing: whatever
/// fails, what was started is ended and what was made is removed. Used by one thread.
/// </summary>
internal sealed class AttachSession
{
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(10);
    private readonly AttachOptions _options;
    private string? _madeLog; // the record log that this attach has made

    private AttachSession(AttachmentFolder folder, Attachment record, AttachOptions options)
    {
        Folder = folder;
        Record = record;
        _options = options;
    }

    public AttachmentFolder Folder { get; }

    /// <summary>What is recorded about the attachment now.</summary>
    public Attachment Record { get; private set; }

    /// <summary>The disk's file.</summary>
    public string DiskFile => Path.Combine(Record.Directory, DiskMount.FileName);

    /// <summary>Attaches <paramref name="image"/> at <paramref name="directory"/>, an existing empty folder.</summary>
    /// <exception cref="UserErrorException">What failed; nothing is left.</exception>
    public static AttachSession Attach(
        RuntimeFolder runtime, string image, string directory, AttachOptions options, CancellationToken cancel)
    {
        ForeignBackend.RequireOptions(image, options);
        string resolved = Registry.Resolve(directory);
        return Run(
            runtime,
            resolved,
            folder => NewRecord(folder, image, resolved, FullPath(directory)),
            options,
            _ => RequireMountPoint(resolved, options.NonEmpty),
            cancel);
    }

    /// <summary>
    /// Attaches <paramref name="image"/> out of sight, for a file system inside it that is to be mounted at
    /// <paramref name="target"/>, an existing folder.
    /// </summary>
    /// <exception cref="UserErrorException">What failed; nothing is left.</exception>
    public static AttachSession AttachHidden(
        RuntimeFolder runtime, string image, string target, int partition, AttachOptions options, CancellationToken cancel)
    {
        ForeignBackend.RequireOptions(image, options);
        string resolved = Registry.Resolve(target);
        var mount = new InnerMount { Target = resolved, TargetAsGiven = FullPath(target), Partition = partition };
        return Run(
            runtime,
            resolved,
            folder => NewRecord(folder, image, folder.HiddenMount, folder.HiddenMount) with { Mount = mount },
            options,
            folder => MakeHiddenMount(folder, resolved),
            cancel);
    }

    /// <summary>Replaces the record.</summary>
    public void Update(Attachment record)
    {
        Record = record;
        Folder.Write(record);
    }

    /// <summary>Takes back what did not come about in the end: all is removed, save for a log that has something in it.</summary>
    public void Abandon()
    {
        Detachment.Clean(Folder, Record);
        if (_madeLog is not null && !HoldsChanges(_madeLog))
        {
            File.Delete(_madeLog); // in the way of the next try
        }
    }

    private static bool HoldsChanges(string log)
    {
        try
        {
            using LogReader reader = LogReader.Open(log);
            return reader.Scan().Any(record => record.Operation != LogOperation.Flush);
        }
        catch (LogException)
        {
            return true; // not ours to judge: it is left where it is
        }
    }

    private static AttachSession Run(
        RuntimeFolder runtime,
        string place,
        Func<AttachmentFolder, Attachment> record,
        AttachOptions options,
        Action<AttachmentFolder> prepare,
        CancellationToken cancel)
    {
        AttachmentFolder folder = Registry.Reserve(runtime, AttachmentFolder.IdFor(place), record);
        var session = new AttachSession(folder, record(folder), options);
        try
        {
            prepare(folder);
            session.Start(cancel);
            return session;
        }
        catch (Exception e)
        {
            UserErrorException? told = e is OperationCanceledException
                ? new UserErrorException("interrupted; nothing is attached", ExitCodes.Interrupted)
                : null;
            AfterFailure.Do(
                () => told = e is SilentFailureException ? new UserErrorException($"{e.Message}; {session.ShowLogs()}", e) : told,
                session.Abandon);
            if (told is not null)
            {
                throw told;
            }

            throw;
        }
    }

    /// <summary>The logs go with the attachment: shows on stderr what is at their ends. Returns what to do next.</summary>
    private string ShowLogs() => LogTail.ShowEnds(Console.Error, ("backend", Folder.BackendLog), ("fusefront", Folder.FrontLog))
        ? "the ends of the logs are above, and --log-level debug makes them say more"
        : "it has logged nothing; see that the programs are complete ('backend --help', 'fusefront --help'), and try --log-level debug";

    private void Start(CancellationToken cancel)
    {
        var deadline = new Deadline(ReadyTimeout);
        bool isOurs = Record.VhostUserSocket is null;
        IReadOnlyList<string> backendArguments = isOurs ? _options.ForBackend(Folder, Record.Image).ToArguments() : [];
        IReadOnlyList<string> frontArguments = _options.ForFront(Folder, Record).ToArguments();
        Update(Record with { BackendArguments = backendArguments, FrontArguments = frontArguments });
        if (isOurs)
        {
            using DetachedProcess backend = DetachedProcess.Start("backend", backendArguments);
            Update(Record with { Backend = backend.Identity });
            backend.WaitUntilReady(deadline, cancel);
            _madeLog = _options.Record; // one that existed would have been refused
        }

        using DetachedProcess front = DetachedProcess.Start("fusefront", frontArguments);
        Update(Record with { Front = front.Identity });
        front.WaitUntilReady(deadline, cancel);

        WaitForDisk(deadline, cancel);
        Update(Record with { Ready = true });
    }

    /// <summary>Asks for the file as an application would, on a thread that may be left behind should nobody answer.</summary>
    private void WaitForDisk(Deadline deadline, CancellationToken cancel)
    {
        Task<bool> seen = Task.Run(() => deadline.Until(() => DiskMount.IsAt(Record.Directory) && File.Exists(DiskFile), cancel), cancel);
        bool ended = Task.WaitAny([seen], deadline.LeftMs, cancel) == 0;
        if (!ended || !seen.GetAwaiter().GetResult())
        {
            throw new SilentFailureException($"{DiskFile} did not appear in {deadline.Total.TotalSeconds:0} s");
        }
    }

    private static Attachment NewRecord(AttachmentFolder folder, string image, string directory, string asGiven)
    {
        string? socket = ForeignBackend.SocketOf(image);
        return new Attachment
        {
            Id = folder.Id,
            Image = socket is null ? Path.GetFullPath(image) : ForeignBackend.Prefix + socket,
            VhostUserSocket = socket,
            Directory = directory,
            DirectoryAsGiven = asGiven,
            Owner = ProcessIdentity.Current,
            AttachedAt = DateTimeOffset.Now,
        };
    }

    private static string FullPath(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static void RequireMountPoint(string directory, bool nonEmpty)
    {
        RequireDirectory(directory);
        if (!nonEmpty && Directory.EnumerateFileSystemEntries(directory).Any())
        {
            throw new UserErrorException($"{directory} is not empty; choose an empty folder, or say --nonempty to hide what is in it");
        }
    }

    private static void MakeHiddenMount(AttachmentFolder folder, string target)
    {
        RequireDirectory(target);
        int errno = PathStatus.MakePrivateDirectory(folder.HiddenMount);
        if (errno != 0)
        {
            throw new PosixException(errno, $"mkdir {folder.HiddenMount}");
        }
    }

    private static void RequireDirectory(string directory)
    {
        int errno = PathStatus.TryRead(directory, out PathStatus status);
        if (errno != 0 || !status.IsDirectory)
        {
            throw new UserErrorException(errno switch
            {
                0 => $"{directory} is not a folder; choose an empty folder",
                Errno.ENOENT => $"{directory} does not exist; make it with 'mkdir -p {directory}'",
                Errno.ENOTCONN => $"{directory} is a mount whose server has died; unmount it with 'fusermount3 -uz {directory}'",
                _ => $"{directory}: {Errno.Describe(errno)}; choose an empty folder",
            });
        }
    }
}
