using RingCore.Hosting;

namespace Vdisk.Tests;

/// <summary>Records of attachments that nobody made.</summary>
internal static class Records
{
    public static Attachment Of(string image, string directory) =>
        new() { Id = "id", Image = image, Directory = directory, DirectoryAsGiven = directory };
}
