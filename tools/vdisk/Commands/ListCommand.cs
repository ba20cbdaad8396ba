using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using RingCore.Hosting;
using Spectre.Console;
using Vdisk.Attachments;

namespace Vdisk.Commands;

/// <summary><c>vdisk list</c>: what is attached, where, by which processes, and where their logs are.</summary>
internal static class ListCommand
{
    public static Command Build()
    {
        Option<bool> json = OptionFactory.Flag("--json", "as a JSON array");
        var command = new Command("list", "Show what is attached.") { json };
        command.SetAction(parsed => Run(parsed.GetValue(json)));
        return command;
    }

    private static int Run(bool json)
    {
        List<(AttachmentFolder Folder, Attachment Record, AttachmentState State)> all = [];
        foreach (AttachmentFolder folder in RuntimeFolder.Default().Attachments())
        {
            if (folder.TryRead() is { } record)
            {
                all.Add((folder, record, AttachmentStates.Of(folder, record)));
            }
        }

        if (json)
        {
            var array = new JsonArray([.. all.Select(a => (JsonNode)ToJson(a.Folder, a.Record, a.State))]);
            Console.WriteLine(array.ToJsonString(Screen.Indented));
        }
        else if (all.Count == 0)
        {
            Console.WriteLine("nothing is attached");
        }
        else
        {
            Screen.Create().Write(ToTable(all));
        }

        return ExitCodes.Success;
    }

    private static JsonObject ToJson(AttachmentFolder folder, Attachment record, AttachmentState state)
    {
        JsonObject node = JsonSerializer.SerializeToNode(record, AttachmentJson.Default.Attachment)!.AsObject();
        node["state"] = state.Describe();
        node["place"] = Registry.PlaceOf(record);
        node["logs"] = folder.Path;
        return node;
    }

    private static Table ToTable(List<(AttachmentFolder Folder, Attachment Record, AttachmentState State)> all)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumns("image", "at", "state", "backend", "front", "logs");
        foreach ((AttachmentFolder folder, Attachment record, AttachmentState state) in all)
        {
            string kind = record.Mount is null ? "" : " (file system)";
            table.AddRow(
                new Text(record.Image),
                new Text(Registry.PlaceOf(record) + kind),
                new Text(state.Describe(), state == AttachmentState.Attached ? new Style(Color.Green) : new Style(Color.Red)),
                new Text(record.VhostUserSocket is null ? Pid(record.Backend) : "not ours"),
                new Text(Pid(record.Front)),
                new Text(folder.Path));
        }

        return table;
    }

    private static string Pid(ProcessIdentity? process) =>
        process?.IsAlive() == true ? process.Pid.ToString(CultureInfo.InvariantCulture) : "-";
}
