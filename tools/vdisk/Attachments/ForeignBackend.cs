using System.Text.Json;
using RingCore.Hosting;

namespace Vdisk.Attachments;

/// <summary>
/// A disk that somebody else's process serves over vhost-user: its name in the place of an image, and what is known of it,
/// which is what the front knows.
/// </summary>
internal static class ForeignBackend
{
    /// <summary>Precedes the socket's path where an image could stand.</summary>
    public const string Prefix = "vhost-user:";

    private static readonly TimeSpan ReplyTimeout = TimeSpan.FromSeconds(2);

    /// <summary>The full path of the socket that <paramref name="image"/> names; null for an image of our own.</summary>
    public static string? SocketOf(string image) =>
        image.StartsWith(Prefix, StringComparison.Ordinal) ? Path.GetFullPath(image[Prefix.Length..]) : null;

    /// <summary>Refuses options that only our own backend could obey.</summary>
    /// <exception cref="UserErrorException">Such an option, or no path.</exception>
    public static void RequireOptions(string image, AttachOptions options)
    {
        if (!image.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return;
        }

        if (image.Length == Prefix.Length)
        {
            throw new UserErrorException($"{image} names no socket; say {Prefix}SOCKET", ExitCodes.Usage);
        }

        if (options.BackendOption is { } name)
        {
            throw new UserErrorException($"{name} is for our own backend; set it where {image} is served", ExitCodes.Usage);
        }
    }

    /// <summary>Whether the front still has its back end. One that does not answer is not said to have lost it.</summary>
    public static bool IsConnected(AttachmentFolder folder)
    {
        try
        {
            return StatsJson.ToFrontStats(ControlClient.Call(folder.FrontControl, "stats", ReplyTimeout)).BackendConnected;
        }
        catch (Exception e) when (e is ControlException or JsonException)
        {
            return true;
        }
    }
}
