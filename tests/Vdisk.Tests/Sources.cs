using NUnit.Framework;

namespace Vdisk.Tests;

/// <summary>The sources that these tests were built from.</summary>
internal static class Sources
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Fuse.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new AssertionException($"no Fuse.sln above {AppContext.BaseDirectory}");
        }

        return folder;
    }
}
