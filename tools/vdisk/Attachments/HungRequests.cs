using System.Text.Json;
using RingCore.Hosting;

namespace Vdisk.Attachments;

/// <summary>Requests that wait for a disk which answers none: what keeps a disk from being detached, and how to free it.</summary>
internal static class HungRequests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(200);

    /// <summary>How many there are: some are in flight, and none ends within a fifth of a second. 0 also when nobody can tell.</summary>
    public static int Count(AttachmentFolder folder)
    {
        if (Look(folder) is not { InFlight: > 0 } before)
        {
            return 0;
        }

        Thread.Sleep(Between); // There is no event for nothing happening.
        return Look(folder) is { InFlight: > 0 } after && after.Ended == before.Ended ? after.InFlight : 0;
    }

    public static string Describe(int count) => count == 1 ? "1 request hangs in the device" : $"{count} requests hang in the device";

    public static string Advice(Attachment record) => record.VhostUserSocket is null
        ? $"'vdisk fault clear {Registry.PlaceOf(record)}' frees what a fault rule holds"
        : $"see what keeps the process that serves {record.Image}";

    private static (int InFlight, long Ended)? Look(AttachmentFolder folder)
    {
        try
        {
            FrontStats front = StatsJson.ToFrontStats(ControlClient.Call(folder.FrontControl, "stats", Patience));
            return (front.Queues.Sum(q => q.InFlight), front.Queues.Sum(q => q.Operations.Total.Requests));
        }
        catch (Exception e) when (e is ControlException or JsonException)
        {
            return null; // A front that has ended, or says nothing, has no news of its requests.
        }
    }
}
