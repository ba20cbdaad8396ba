using System.CommandLine;
using System.Text.Json.Nodes;
using RingCore.Hosting;
using Spectre.Console;
using Vdisk.Attachments;

namespace Vdisk.Commands;

/// <summary><c>vdisk stats DIR</c>: the counters of both processes, by queue.</summary>
internal static class StatsCommand
{
    private static readonly TimeSpan ReplyTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WatchInterval = TimeSpan.FromSeconds(1);

    public static Command Build()
    {
        Argument<string> directory = OptionFactory.Path("DIR", "where the disk is attached, or its file system mounted");
        Option<bool> json = OptionFactory.Flag("--json", "as JSON; with --watch one object a line");
        Option<bool> watch = OptionFactory.Flag("--watch", "every second, as rates, until Ctrl-C");
        var command = new Command("stats", "Show a disk's counters, by queue.") { directory, json, watch };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(directory), parsed.GetValue(json), parsed.GetValue(watch)));
        return command;
    }

    private static int Run(string directory, bool json, bool watch)
    {
        (AttachmentFolder folder, Attachment record) = Registry.Require(RuntimeFolder.Default(), directory);
        if (!watch)
        {
            (JsonObject? front, JsonObject? backend) = Ask(folder, record);
            if (json)
            {
                Console.WriteLine(Joined(front, backend).ToJsonString(Screen.Indented));
            }
            else
            {
                Screen.Create().Write(StatsTable.Of(record, StatsSample.Of(front, backend), before: null));
            }

            return ExitCodes.Success;
        }

        using var interrupted = new CancellationTokenSource();
        using var signals = new TerminationSignals(_ => interrupted.Cancel());
        if (json)
        {
            WatchJson(folder, record, interrupted.Token);
        }
        else
        {
            WatchTable(folder, record, interrupted.Token);
        }

        return ExitCodes.Success;
    }

    private static void WatchJson(AttachmentFolder folder, Attachment record, CancellationToken interrupted)
    {
        do
        {
            (JsonObject? front, JsonObject? backend) = Ask(folder, record);
            Console.WriteLine(Joined(front, backend).ToJsonString());
        }
        while (!interrupted.WaitHandle.WaitOne(WatchInterval));
    }

    private static void WatchTable(AttachmentFolder folder, Attachment record, CancellationToken interrupted)
    {
        StatsSample before = Sample(folder, record);
        Screen.Create().Live(StatsTable.Of(record, before, before: null)).Start(live =>
        {
            while (!interrupted.WaitHandle.WaitOne(WatchInterval))
            {
                StatsSample now = Sample(folder, record);
                live.UpdateTarget(StatsTable.Of(record, now, before));
                before = now;
            }
        });
    }

    private static StatsSample Sample(AttachmentFolder folder, Attachment record)
    {
        (JsonObject? front, JsonObject? backend) = Ask(folder, record);
        return StatsSample.Of(front, backend);
    }

    /// <summary>Both replies; null stands for a process that has ended.</summary>
    /// <exception cref="UserErrorException">Neither runs.</exception>
    private static (JsonObject? Front, JsonObject? Backend) Ask(AttachmentFolder folder, Attachment record)
    {
        JsonObject? front = record.Front?.IsAlive() == true ? ControlClient.Call(folder.FrontControl, "stats", ReplyTimeout) : null;
        JsonObject? backend = record.Backend?.IsAlive() == true ? ControlClient.Call(folder.BackendControl, "stats", ReplyTimeout) : null;
        if (front is null && backend is null)
        {
            string ended = record.VhostUserSocket is null ? "both processes have" : "the front has";
            throw new UserErrorException($"{ended} ended; {Registry.EndCommand(record)} to clean up");
        }

        return (front, backend);
    }

    private static JsonObject Joined(JsonObject? front, JsonObject? backend)
    {
        front?.Remove("ok");
        backend?.Remove("ok");
        return new JsonObject { ["front"] = front, ["backend"] = backend };
    }
}
