using RingCore.Hosting;
using RingCore.Posix;
using Vdisk.Attachments;

namespace Vdisk.Commands;

/// <summary>Where a command may make an image.</summary>
internal static class NewImage
{
    /// <summary>Requires that nothing is at <paramref name="image"/> (a full path), or with <paramref name="force"/> a file that nothing is lost with.</summary>
    /// <exception cref="UserErrorException">There is no such folder, something is in the way, or the image is attached.</exception>
    public static void RequirePlace(string image, bool force)
    {
        string? folder = Path.GetDirectoryName(image);
        if (folder is not null && !Directory.Exists(folder))
        {
            throw new UserErrorException($"{folder} does not exist; make it with 'mkdir -p {folder}'");
        }

        int errno = PathStatus.TryRead(image, out PathStatus status);
        if (errno == Errno.ENOENT)
        {
            return;
        }

        if (errno != 0)
        {
            throw new UserErrorException($"{image}: {Errno.Describe(errno)}; choose another place");
        }

        if (!status.IsRegularFile)
        {
            throw new UserErrorException($"{image} exists and is not a regular file; choose another name");
        }

        if (!force)
        {
            throw new UserErrorException($"{image} exists; choose another name, or say --force to replace it");
        }

        RequireNotAttached(image);
    }

    private static void RequireNotAttached(string image)
    {
        string resolved = Registry.Resolve(image);
        foreach (AttachmentFolder folder in RuntimeFolder.Default().Attachments())
        {
            if (folder.TryRead() is { } record && record.Backend?.IsAlive() == true && Registry.Resolve(record.Image) == resolved)
            {
                throw new UserErrorException($"{image} is attached at {Registry.PlaceOf(record)}; {Registry.EndCommand(record)} first");
            }
        }
    }
}
