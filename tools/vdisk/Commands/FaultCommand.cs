using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json.Nodes;
using RingCore.Faults;
using RingCore.Hosting;
using RingCore.Units;
using Spectre.Console;
using Vdisk.Faults;
using Vdisk.Processes;

namespace Vdisk.Commands;

/// <summary><c>vdisk fault …</c>: rules that break the disk on purpose, while it runs.</summary>
internal static class FaultCommand
{
    public static Command Build() => new("fault", "Break a disk on purpose: rules as docs/faults.md has them.")
    {
        BuildAdd(),
        BuildList(),
        BuildRemove(),
        BuildSimple("clear", "fault-clear", "Remove every rule, and go back to the first state."),
        BuildSimple("pause", "fault-pause", "Let no rule strike or count until resumed."),
        BuildSimple("resume", "fault-resume", "Let the rules strike again."),
        BuildWait(),
        FaultCheckCommand.Build(),
    };

    private static Argument<string> Directory() => OptionFactory.Path("DIR", "where the disk is attached, or its file system mounted");

    private static Argument<string> Which() => new("NAME|N") { Description = "the rule's name or number" };

    private static Command BuildAdd()
    {
        Argument<string> directory = Directory();
        Argument<string> rule = new("RULE")
        {
            Description = "one rule, quoted, such as 'on write at 1M..2M count 3 fail EIO'",
            CustomParser = result => ParseRule(result),
        };
        var command = new Command("add", "Add a rule.") { directory, rule };
        command.SetAction(parsed =>
        {
            JsonObject reply = BackendCall.Ask(
                parsed.GetRequiredValue(directory), new JsonObject { ["op"] = "fault-add", ["rule"] = parsed.GetRequiredValue(rule) });
            Console.WriteLine($"rule {reply["number"]}: {reply["rule"]} (fault seed {reply["seed"]})");
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>A wrong rule is a wrong argument; the text travels as it was typed.</summary>
    private static string ParseRule(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        try
        {
            RuleParser.Parse(text);
        }
        catch (RuleSyntaxException e)
        {
            result.AddError($"rule '{text}': {e.Message}");
        }

        return text;
    }

    private static Command BuildList()
    {
        Argument<string> directory = Directory();
        Option<bool> json = OptionFactory.Flag("--json", "as JSON");
        var command = new Command("list", "Show the rules, and how often each has struck.") { directory, json };
        command.SetAction(parsed =>
        {
            JsonObject reply = BackendCall.Ask(parsed.GetRequiredValue(directory), "fault-list");
            if (parsed.GetValue(json))
            {
                Console.WriteLine(reply.ToJsonString(Screen.Indented));
                return ExitCodes.Success;
            }

            string paused = (bool)reply["paused"]! ? ", paused" : "";
            Console.WriteLine($"fault seed {reply["seed"]}, state {reply["state"]}, power {reply["power"]}{paused}");
            Screen.Create().Write(ToTable(reply["rules"]!.AsArray()));
            return ExitCodes.Success;
        });
        return command;
    }

    private static Table ToTable(JsonArray rules)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumns("number", "rule", "seen", "hits", "held now");
        foreach (JsonNode? rule in rules)
        {
            table.AddRow([.. ((string[])["number", "rule", "seen", "hits", "holding"]).Select(name => new Text(rule![name]!.ToString()))]);
        }

        return table;
    }

    private static Command BuildRemove()
    {
        Argument<string> directory = Directory();
        Argument<string> which = Which();
        var command = new Command("remove", "Remove a rule; what it holds goes on.") { directory, which };
        command.SetAction(parsed =>
        {
            BackendCall.Ask(
                parsed.GetRequiredValue(directory), new JsonObject { ["op"] = "fault-remove", ["rule"] = parsed.GetRequiredValue(which) });
            return ExitCodes.Success;
        });
        return command;
    }

    private static Command BuildSimple(string name, string op, string description)
    {
        Argument<string> directory = Directory();
        var command = new Command(name, description) { directory };
        command.SetAction(parsed =>
        {
            BackendCall.Ask(parsed.GetRequiredValue(directory), op);
            return ExitCodes.Success;
        });
        return command;
    }

    private static Command BuildWait()
    {
        Argument<string> directory = Directory();
        Argument<string> which = Which();
        Option<long> hits = OptionFactory.Number("--hits", "how often it has to have struck", 1L, long.MaxValue, 1L);
        Option<Duration> timeout = OptionFactory.Time(
            "--timeout", "give up after this time", default, Duration.FromSeconds(86_400), Duration.FromSeconds(30));
        var command = new Command("wait", "Wait until a rule has struck.") { directory, which, hits, timeout };
        command.SetAction(parsed => Wait(
            parsed.GetRequiredValue(directory),
            parsed.GetRequiredValue(which),
            parsed.GetValue(hits),
            parsed.GetValue(timeout).ToTimeSpan()));
        return command;
    }

    private static int Wait(string directory, string which, long hits, TimeSpan timeout)
    {
        var deadline = new Deadline(timeout);
        long soFar;
        do
        {
            // The backend waits a little each time; its socket has others to answer as well.
            JsonObject reply = BackendCall.Ask(
                directory, new JsonObject { ["op"] = "fault-wait", ["rule"] = which, ["hits"] = hits, ["timeoutMs"] = deadline.LeftMs });
            if ((bool)reply["reached"]!)
            {
                return ExitCodes.Success;
            }

            soFar = (long)reply["hits"]!;
        }
        while (!deadline.IsOver);

        string seconds = timeout.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
        throw new UserErrorException(
            $"rule '{which}' has struck {soFar} of {hits} times in {seconds} s; see 'vdisk fault list {directory}', or give it a longer --timeout");
    }
}
