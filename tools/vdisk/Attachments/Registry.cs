using RingCore.Hosting;
using RingCore.Posix;

namespace Vdisk.Attachments;

/// <summary>The attachments of this user: finding one by its directory, and making room for a new one.</summary>
internal static class Registry
{
    /// <summary>The path that an attachment goes by: absolute, without symbolic links where they can be followed.</summary>
    public static string Resolve(string directory)
    {
        try
        {
            return MountPoint.Resolve(directory);
        }
        catch (PosixException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR)
        {
            return Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        }
    }

    /// <summary>Where a person looks for an attachment: its disk's folder, or the file system that was mounted from it.</summary>
    public static string PlaceOf(Attachment record) => record.Mount?.TargetAsGiven ?? record.DirectoryAsGiven;

    /// <summary>The command that ends an attachment, as advice: <c>run 'vdisk detach DIR'</c>.</summary>
    public static string EndCommand(Attachment record) => $"run 'vdisk {(record.Mount is null ? "detach" : "umount")} {PlaceOf(record)}'";

    /// <summary>The attachment whose place is <paramref name="directory"/>; null when there is none.</summary>
    public static (AttachmentFolder Folder, Attachment Record)? Find(RuntimeFolder runtime, string directory)
    {
        string given = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        string resolved = Resolve(directory);
        foreach (AttachmentFolder folder in runtime.Attachments())
        {
            if (folder.TryRead() is { } record)
            {
                string place = record.Mount?.Target ?? record.Directory;
                if (place == resolved || place == given || PlaceOf(record) == given)
                {
                    return (folder, record);
                }
            }
        }

        return null;
    }

    /// <summary>As <see cref="Find"/>, with one line for the person when there is none.</summary>
    /// <exception cref="UserErrorException"/>
    public static (AttachmentFolder Folder, Attachment Record) Require(RuntimeFolder runtime, string directory) =>
        Find(runtime, directory)
        ?? throw new UserErrorException($"nothing is attached at {Path.GetFullPath(directory)}; see 'vdisk list'");

    /// <summary>
    /// Makes the folder and the first record of a new attachment. Leftovers of one that is dead are cleaned away.
    /// </summary>
    /// <exception cref="UserErrorException">There is an attachment already.</exception>
    public static AttachmentFolder Reserve(RuntimeFolder runtime, string id, Func<AttachmentFolder, Attachment> record)
    {
        using IDisposable held = runtime.Lock();
        AttachmentFolder folder = runtime.Attachment(id);
        if (!folder.TryCreate())
        {
            if (folder.TryRead() is { } old)
            {
                RequireDead(folder, old);
                Detachment.Clean(folder, old);
            }
            else
            {
                folder.Remove(); // its maker died before the first record was written
            }

            folder.TryCreate();
        }

        folder.Write(record(folder));
        return folder;
    }

    private static void RequireDead(AttachmentFolder folder, Attachment old)
    {
        string place = PlaceOf(old);
        switch (AttachmentStates.Of(folder, old))
        {
            case AttachmentState.Dead when old.Mount is null:
                return;
            case AttachmentState.Attaching:
                throw new UserErrorException($"{place} is just being attached by pid {old.Owner!.Pid}; wait for it");
            default:
                throw new UserErrorException($"{place} has {old.Image} attached already; {EndCommand(old)} first");
        }
    }
}
