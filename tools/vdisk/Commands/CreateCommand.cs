using System.CommandLine;
using RingCore.Hosting;
using RingCore.Units;

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
        NewImage.RequirePlace(image, force);

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
            string? problem = e switch
            {
                ArgumentOutOfRangeException => "its file system takes no file of that size", // EFBIG
                IOException or UnauthorizedAccessException => e.Message.TrimEnd('.'),
                _ => null,
            };
            throw problem is null ? e : new UserErrorException($"{image} cannot be made: {problem}; choose another place or a smaller size", e);
        }

        Console.WriteLine($"{image} is an empty disk of {ByteSize.Format(size)}");
        return ExitCodes.Success;
    }
}
