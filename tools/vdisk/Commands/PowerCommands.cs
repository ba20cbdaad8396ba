using System.CommandLine;
using System.Text.Json.Nodes;
using RingCore.Faults;
using RingCore.Hosting;
using Vdisk.Faults;

namespace Vdisk.Commands;

/// <summary><c>vdisk powercut DIR</c> and <c>vdisk power DIR [on]</c>.</summary>
internal static class PowerCommands
{
    public static Command BuildCut()
    {
        Argument<string> directory = OptionFactory.Path("DIR", "where the disk is attached, or its file system mounted");
        Option<string> keep = OptionFactory.Choice(
            "--keep", "which unflushed writes survive; torn: also single sectors of one", [.. PowerCutKeeps.All]);
        Option<long?> seed = OptionFactory.OptionalNumber("--seed", "of the choice; the same writes and seed lose the same", 0, long.MaxValue);
        Option<bool> json = OptionFactory.Flag("--json", "tell every write as JSON");
        var command = new Command("powercut", "Cut a disk's power: unflushed writes are lost, requests fail until it is on.")
        {
            directory, keep, seed, json,
        };
        command.SetAction(parsed =>
        {
            var request = new JsonObject { ["op"] = "powercut", ["keep"] = parsed.GetRequiredValue(keep) };
            if (parsed.GetValue(seed) is { } given)
            {
                request["seed"] = given;
            }

            JsonObject report = BackendCall.Ask(parsed.GetRequiredValue(directory), request);
            Console.WriteLine(parsed.GetValue(json) ? report.ToJsonString(Screen.Indented) : Describe(report));
            return ExitCodes.Success;
        });
        return command;
    }

    public static Command BuildPower()
    {
        Argument<string> directory = OptionFactory.Path("DIR", "where the disk is attached, or its file system mounted");
        Argument<string?> state = new("on")
        {
            Description = "turn it on; without, show it, and what the last cut lost",
            HelpName = "on, or nothing", // the list of commands has no brackets for what may be absent
            Arity = ArgumentArity.ZeroOrOne,
            CustomParser = result =>
            {
                string word = result.Tokens[0].Value;
                if (word != "on")
                {
                    result.AddError($"power '{word}' is impossible: use 'on'; it is cut with 'vdisk powercut'");
                }

                return word;
            },
        };
        Option<bool> json = OptionFactory.Flag("--json", "as JSON");
        var command = new Command("power", "Show a disk's power, or turn it on after a power cut.") { directory, state, json };
        command.SetAction(parsed =>
        {
            var request = new JsonObject { ["op"] = "power" };
            if (parsed.GetValue(state) is { } word)
            {
                request["state"] = word;
            }

            JsonObject reply = BackendCall.Ask(parsed.GetRequiredValue(directory), request);
            if (parsed.GetValue(json))
            {
                Console.WriteLine(reply.ToJsonString(Screen.Indented));
            }
            else
            {
                Show(reply);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static void Show(JsonObject reply)
    {
        Console.WriteLine($"power is {reply["power"]}");
        if (reply["unflushedWrites"] is { } writes)
        {
            Console.WriteLine($"volatile cache: {writes} unflushed writes, {reply["unflushedBytes"]} of {reply["volatileCache"]} bytes");
        }

        if (reply["lastCut"] is JsonObject cut)
        {
            Console.WriteLine($"last cut: {Describe(cut)}");
        }
    }

    private static string Describe(JsonObject report) => (bool)report["hasVolatileCache"]!
        ? $"{report["lost"]} of {report["unflushed"]} unflushed writes lost, {report["torn"]} torn, {report["kept"]} kept; "
            + $"{report["lostBytes"]} bytes lost (keep {report["keep"]}, seed {report["seed"]})"
        : "nothing was lost: the disk has no volatile cache (attach with --volatile-cache SIZE)";
}
