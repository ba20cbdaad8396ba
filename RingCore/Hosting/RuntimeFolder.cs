using RingCore.Posix;

namespace RingCore.Hosting;

/// <summary>
/// Where a user's attachments keep their sockets, logs and records: one private folder, with a folder for each
/// attachment. Nobody else may own or write it, since who can, can speak for the disks.
/// </summary>
public sealed class RuntimeFolder
{
    /// <summary>The environment variable that names the folder.</summary>
    public const string Variable = "VDISK_RUNTIME_DIR";

    private const int WritableByOthers = 0b000_010_010;
    private const int AccessibleByOthers = 0b000_111_111;
    private const string LockName = "lock";
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(10);

    /// <param name="path">The folder, which need not exist yet.</param>
    public RuntimeFolder(string path)
    {
        // The kernel's tables name mounts and loop devices below it without symbolic links.
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        string? parent = System.IO.Path.GetDirectoryName(full);
        Path = Directory.Exists(parent) ? System.IO.Path.Combine(MountPoint.Resolve(parent), System.IO.Path.GetFileName(full)) : full;
    }

    /// <summary>Full path; the folders above it are no symbolic links.</summary>
    public string Path { get; }

    /// <summary>
    /// The caller's own: $VDISK_RUNTIME_DIR, else vdisk below $XDG_RUNTIME_DIR if that is the caller's, else /run/vdisk for
    /// root and /tmp/vdisk-UID for others.
    /// </summary>
    public static RuntimeFolder Default()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } chosen)
        {
            return new RuntimeFolder(chosen);
        }

        uint user = UserIds.Uid;
        if (Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } xdg
            && PathStatus.TryRead(xdg, out PathStatus status) == 0 && status.IsDirectory && status.Owner == user)
        {
            return new RuntimeFolder(System.IO.Path.Combine(xdg, "vdisk"));
        }

        return new RuntimeFolder(user == 0 ? "/run/vdisk" : $"/tmp/vdisk-{user}");
    }

    /// <summary>Makes the folder (mode 0700) if it is missing, and checks whose it is.</summary>
    /// <exception cref="UserErrorException">It is no folder, belongs to someone else, or others can write it.</exception>
    public void Ensure()
    {
        string? parent = System.IO.Path.GetDirectoryName(Path);
        if (parent is not null && !Directory.Exists(parent))
        {
            Directory.CreateDirectory(parent);
        }

        int made = PathStatus.MakePrivateDirectory(Path);
        if (made is not 0 and not Errno.EEXIST)
        {
            throw Unusable(Errno.Describe(made));
        }

        RequirePrivate();
    }

    /// <summary>The attachments recorded here, by name; none when the folder is missing.</summary>
    /// <exception cref="UserErrorException">The folder is not the caller's alone.</exception>
    public IReadOnlyList<AttachmentFolder> Attachments()
    {
        if (!Directory.Exists(Path))
        {
            return [];
        }

        RequirePrivate();
        return [.. Directory.EnumerateDirectories(Path).Order(StringComparer.Ordinal).Select(path => new AttachmentFolder(path))];
    }

    /// <summary>The folder of the attachment called <paramref name="id"/>, which need not exist yet.</summary>
    public AttachmentFolder Attachment(string id) => new(System.IO.Path.Combine(Path, id));

    /// <summary>
    /// Keeps other commands from adding or removing attachments until the result is disposed. The kernel lets go of the
    /// lock when the process ends.
    /// </summary>
    /// <exception cref="UserErrorException">Another command holds it for ten seconds.</exception>
    public IDisposable Lock()
    {
        Ensure();
        string path = System.IO.Path.Combine(Path, LockName);
        long deadline = Environment.TickCount64 + (long)LockTimeout.TotalMilliseconds;
        while (true)
        {
            try
            {
                // FileShare.None is flock(LOCK_EX | LOCK_NB) on Linux.
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e) when (e.HResult == Errno.EAGAIN)
            {
                if (Environment.TickCount64 > deadline)
                {
                    throw new UserErrorException($"another vdisk command holds {path}; wait for it, or end it", e);
                }

                Thread.Sleep(20);
            }
        }
    }

    private void RequirePrivate()
    {
        int errno = PathStatus.TryRead(Path, out PathStatus status);
        if (errno != 0)
        {
            throw Unusable(Errno.Describe(errno));
        }

        if (!status.IsDirectory)
        {
            throw Unusable("it is not a folder");
        }

        if (status.Owner != UserIds.Uid)
        {
            throw Unusable($"it belongs to user {status.Owner}");
        }

        if ((status.Permissions & WritableByOthers) != 0)
        {
            throw Unusable("others can write to it");
        }

        if ((status.Permissions & AccessibleByOthers) != 0)
        {
            PathStatus.SetPermissions(Path, 0b111_000_000);
        }
    }

    private UserErrorException Unusable(string why) =>
        new($"run-time folder {Path} cannot be used: {why}; remove it, or set {Variable} to a folder of your own");
}
