using RingCore.Hosting;
using Vdisk.Mounts;

namespace Vdisk.Attachments;

/// <summary>The disk, or the file system on it, is in use; nothing was changed.</summary>
internal sealed class BusyException(string message) : UserErrorException(message)
{
    /// <summary>What is mounted at <paramref name="mountPoint"/> is in use: names the users, and what to do.</summary>
    /// <param name="mountPoint">Where the users are looked for.</param>
    /// <param name="place">What the person calls it, if that is another path.</param>
    /// <param name="advice">What to do instead of closing files.</param>
    public static BusyException At(string mountPoint, string? place = null, string? advice = null)
    {
        string users = MountUsers.Describe(mountPoint) is { } known ? $" by {known}" : "";
        return new BusyException($"{place ?? mountPoint} is in use{users}; {advice ?? "close its files and leave the folder"}, or say --lazy");
    }
}
