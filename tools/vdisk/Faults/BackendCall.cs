using System.Text.Json.Nodes;
using RingCore.Hosting;
using Vdisk.Attachments;

namespace Vdisk.Faults;

/// <summary>Asks the backend of an attachment over its control socket.</summary>
internal static class BackendCall
{
    /// <summary>A power cut writes what survives; it may take a while.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    /// <exception cref="UserErrorException">Nothing is attached there, or its backend has ended.</exception>
    /// <exception cref="ControlException">The backend refuses; the message says why.</exception>
    public static JsonObject Ask(string directory, JsonObject request)
    {
        (AttachmentFolder folder, Attachment record) = Registry.Require(RuntimeFolder.Default(), directory);
        if (record.VhostUserSocket is not null)
        {
            throw new UserErrorException(
                $"the disk at {Registry.PlaceOf(record)} is served by another's back end ({record.Image}); this needs ours, as 'vdisk attach IMAGE DIR' starts it");
        }

        if (record.Backend?.IsAlive() != true)
        {
            throw new UserErrorException($"the backend has ended; {Registry.EndCommand(record)} to clean up");
        }

        JsonObject reply = ControlClient.Call(folder.BackendControl, request, Timeout);
        reply.Remove("ok");
        return reply;
    }

    /// <summary>A request without parameters.</summary>
    public static JsonObject Ask(string directory, string op) => Ask(directory, new JsonObject { ["op"] = op });
}
