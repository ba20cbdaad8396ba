using System.CommandLine;
using RingCore.Hosting;
using RingCore.Posix;
using RingCore.Units;
using Vdisk.Attachments;

namespace Vdisk.Commands;

/// <summary><c>vdisk create IMAGE SIZE</c>: a sparse raw image.</summary>
internal static class CreateCommand
{
    private const int SectorBytes = 512;

    public static Command Build()
    {
        Argument<string> image = OptionFactory.Path("IMAGE", "the image file to make");
        Argument<long> size = OptionFactory.Size(
            "SIZE", "its size, a multiple of 512 bytes: bytes, or a number with K, M, G or T", SectorBytes);
        Option<bool> force = OptionFactory.Flag("--force", "replace a file that exists");
        var command = new Command("create", "Make a sparse raw image.") { image, size, force };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(image), parsed.GetValue(size), parsed.GetValue(force)));
        return command;
    }

    private static int Run(string given, long size, bool force)
    {
        string image = Path.GetFullPath(given);
        CheckPlace(image, force);

        // Made under another name and moved: an image of that name is replaced whole or not at all.
        string fresh = $"{image}.{Environment.ProcessId}.new";
        try
        {
            using (var file = new FileStream(fresh, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                file.SetLength(size);
            }

            File.Move(fresh, image, overwrite: force);
        }
        catch (Exception e)
        {
            File.Delete(fresh);
            throw e is IOException or UnauthorizedAccessException
                ? new UserErrorException($"{image} cannot be made: {e.Message.TrimEnd('.')}; choose another place or a smaller size", e)
                : e;
        }

        Console.WriteLine($"{image} is an empty disk of {ByteSize.Format(size)}");
        return ExitCodes.Success;
    }

    private static void CheckPlace(string image, bool force)
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
        foreach (AttachmentFolder folder in RuntimeFolder.Default().Attachments())
        {
            if (folder.TryRead() is { } record && record.Image == image && record.Backend?.IsAlive() == true)
            {
                throw new UserErrorException($"{image} is attached at {Registry.PlaceOf(record)}; detach it first");
            }
        }
    }
}
