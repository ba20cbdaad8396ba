using System.Text;
using System.Text.Json;
using RingCore.Posix;

namespace RingCore.Hosting;

/// <summary>One attachment's folder below the <see cref="RuntimeFolder"/>: who keeps what where.</summary>
public sealed class AttachmentFolder(string path)
{
    private static readonly string[] OwnFiles =
    [
        "attach.json", "attach.json.new", "vfio-user.sock", "backend.ctl", "front.ctl",
        "backend.log", "fusefront.log", "fuse2fs.log",
    ];

    /// <summary>Full path.</summary>
    public string Path { get; } = path;

    public string Id => System.IO.Path.GetFileName(Path);

    public string RecordFile => In("attach.json");

    public string VfioUserSocket => In("vfio-user.sock");

    public string BackendControl => In("backend.ctl");

    public string FrontControl => In("front.ctl");

    public string BackendLog => In("backend.log");

    public string FrontLog => In("fusefront.log");

    public string Fuse2fsLog => In("fuse2fs.log");

    /// <summary>Where <c>vdisk mount</c> attaches the disk, out of sight.</summary>
    public string HiddenMount => In("mnt");

    /// <summary>
    /// The name of the attachment at a directory: readable by its last part, told apart by a hash of the whole. The same
    /// directory has the same name, so it cannot be attached twice.
    /// </summary>
    public static string IdFor(string directory)
    {
        var name = new StringBuilder();
        foreach (char c in System.IO.Path.GetFileName(directory.TrimEnd('/')))
        {
            name.Append(char.IsAsciiLetterOrDigit(c) ? c : '_');
            if (name.Length == 16)
            {
                break;
            }
        }

        uint hash = 2166136261; // FNV-1a, 32 bits
        foreach (byte b in Encoding.UTF8.GetBytes(directory))
        {
            hash = (hash ^ b) * 16777619;
        }

        return $"{name}-{hash:x8}";
    }

    /// <summary>Makes the folder (mode 0700), with sockets whose paths are short enough.</summary>
    /// <returns>False when it exists already.</returns>
    /// <exception cref="UserErrorException">The run-time folder's path is too long for sockets.</exception>
    public bool TryCreate()
    {
        SocketPath.RequireShort(VfioUserSocket);
        int errno = PathStatus.MakePrivateDirectory(Path);
        return errno switch
        {
            0 => true,
            Errno.EEXIST => false,
            _ => throw new PosixException(errno, $"mkdir {Path}"),
        };
    }

    /// <summary>Replaces the record in one step.</summary>
    public void Write(Attachment attachment)
    {
        string fresh = In("attach.json.new");
        File.WriteAllBytes(fresh, JsonSerializer.SerializeToUtf8Bytes(attachment, AttachmentJson.Default.Attachment));
        File.Move(fresh, RecordFile, overwrite: true);
    }

    /// <summary>The record; null when there is none that can be read: the folder is being made or removed, or was spoilt.</summary>
    public Attachment? TryRead()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(RecordFile), AttachmentJson.Default.Attachment);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }

    /// <summary>
    /// Removes the folder and the files it is known to hold, by name: a mount that is still there is not followed, and a
    /// file of someone else's stops it.
    /// </summary>
    /// <exception cref="IOException">Something else is in it.</exception>
    public void Remove()
    {
        if (!Directory.Exists(Path))
        {
            return;
        }

        if (Directory.Exists(HiddenMount))
        {
            Directory.Delete(HiddenMount, recursive: false);
        }

        foreach (string log in Directory.EnumerateFiles(Path, "*.log"))
        {
            File.Delete(log); // archives of a log have a number in their name
        }

        foreach (string file in OwnFiles)
        {
            File.Delete(In(file));
        }

        Directory.Delete(Path, recursive: false);
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
