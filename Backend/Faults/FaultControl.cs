using System.Runtime.ExceptionServices;
using System.Text.Json.Nodes;
using Backend.Device;
using RingCore.Aio;
using RingCore.Faults;
using RingCore.Hosting;

namespace Backend.Faults;

/// <summary>
/// The control socket's operations about faults and power; docs/faults.md has them all. Called on the socket's threads, one
/// request at a time.
/// </summary>
internal sealed class FaultControl(DiskStack disk, VirtioBlk device, AioContext main)
{
    /// <summary>The socket answers one request at a time: a longer wait is asked for again by the client.</summary>
    private const int MaxWaitMs = 200;

    /// <summary>Writes that a reply about a power cut tells one by one.</summary>
    private const int MaxWritesTold = 4096;

    private long _cuts;

    internal void AddTo(ControlOperations operations)
    {
        operations["fault-add"] = Add;
        operations["fault-list"] = _ => List();
        operations["fault-remove"] = Remove;
        operations["fault-clear"] = _ => new JsonObject { ["removed"] = disk.Engine.Clear() };
        operations["fault-pause"] = _ => Pause(true);
        operations["fault-resume"] = _ => Pause(false);
        operations["fault-wait"] = Wait;
        operations["powercut"] = CutPower;
        operations["power"] = Power;
    }

    private JsonObject Add(JsonObject request)
    {
        FaultRule rule = Parse(Text(request, "rule"));
        ArmedRule armed = disk.Engine.Add(rule);
        RequireFilter();
        JsonObject reply = Describe(armed);
        reply["seed"] = disk.Engine.Seed;
        return reply;
    }

    private static FaultRule Parse(string text)
    {
        try
        {
            return RuleParser.Parse(text);
        }
        catch (RuleSyntaxException e)
        {
            throw new UserErrorException(e.Message, e);
        }
    }

    private JsonObject List() => new()
    {
        ["seed"] = disk.Engine.Seed,
        ["state"] = disk.Engine.State,
        ["paused"] = disk.Engine.IsPaused,
        ["power"] = disk.Power.Switch.IsOff ? "off" : "on",
        ["rules"] = new JsonArray([.. disk.Engine.List().Select(Describe)]),
    };

    private JsonObject? Remove(JsonObject request)
    {
        disk.Engine.Remove(Text(request, "rule"));
        return null;
    }

    /// <summary>Has the filter put in by the main loop, which may be waiting for requests just now, and waits until it is.</summary>
    private void RequireFilter()
    {
        ExceptionDispatchInfo? failure = null;
        ManualResetEventSlim done = new(); // never disposed: Set may still run when the wait is over
        main.Invoke(() => device.WhenSettled(() =>
        {
            try
            {
                disk.RequireFilter(device);
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e); // not swallowed: it changes threads
            }

            done.Set();
        }));
        done.Wait();
        failure?.Throw();
    }

    private JsonObject? Pause(bool paused)
    {
        disk.Engine.SetPaused(paused);
        return null;
    }

    private JsonObject Wait(JsonObject request)
    {
        long hits = Number(request, "hits") ?? 1;
        long timeoutMs = Math.Clamp(Number(request, "timeoutMs") ?? MaxWaitMs, 0, MaxWaitMs);
        bool reached = disk.Engine.WaitForHits(Text(request, "rule"), hits, TimeSpan.FromMilliseconds(timeoutMs), out long soFar);
        return new JsonObject { ["reached"] = reached, ["hits"] = soFar };
    }

    private JsonObject CutPower(JsonObject request)
    {
        string word = request["keep"] is null ? "none" : Text(request, "keep");
        if (!PowerCutKeeps.TryParse(word, out PowerCutKeep keep))
        {
            throw new UserErrorException($"keep '{word}' is not one of {string.Join(", ", PowerCutKeeps.All)}");
        }

        ulong seed = (ulong?)Number(request, "seed") ?? (uint)FaultRandom.At(disk.Engine.Seed, (ulong)Interlocked.Increment(ref _cuts));
        RequireFilter();
        PowerCutReport report = disk.Power.Cut(keep, seed)
            ?? throw new UserErrorException("the disk's power is off already; turn it on with 'vdisk power DIR on'");
        return Describe(report);
    }

    private JsonObject Power(JsonObject request)
    {
        string? state = request["state"] is null ? null : Text(request, "state");
        switch (state)
        {
            case null:
                break;
            case "on":
                disk.Power.TurnOn();
                break;
            default:
                throw new UserErrorException($"power '{state}' cannot be had; it is cut with 'vdisk powercut', and turned 'on'");
        }

        var reply = new JsonObject { ["power"] = disk.Power.Switch.IsOff ? "off" : "on", ["volatileCache"] = disk.CacheSize };
        if (disk.CacheUsage is { } usage)
        {
            reply["unflushedWrites"] = usage.Writes;
            reply["unflushedBytes"] = usage.Bytes;
        }

        reply["lastCut"] = disk.Power.LastCut is { } cut ? Describe(cut) : null;
        return reply;
    }

    private static JsonObject Describe(ArmedRule rule)
    {
        var node = new JsonObject
        {
            ["number"] = rule.Number,
            ["name"] = rule.Rule.Name,
            ["rule"] = rule.Rule.ToString(),
            ["event"] = rule.Rule.Event.Word(),
            ["seen"] = rule.Seen,
            ["hits"] = rule.Hits,
            ["holding"] = rule.Holding,
        };
        if (rule.Action is FailAction fail)
        {
            node["errno"] = fail.Errno;
        }

        return node;
    }

    private static JsonObject Describe(PowerCutReport report) => new()
    {
        ["keep"] = report.Keep.Word(),
        ["seed"] = report.Seed,
        ["hasVolatileCache"] = report.HasCache,
        ["unflushed"] = report.Unflushed,
        ["lost"] = report.Lost,
        ["torn"] = report.Torn,
        ["kept"] = report.Kept,
        ["lostBytes"] = report.LostBytes,
        ["writes"] = new JsonArray([.. report.Writes.Take(MaxWritesTold).Select(Describe)]),
        ["writesNotListed"] = Math.Max(0, report.Writes.Count - MaxWritesTold),
    };

    private static JsonObject Describe(CutWrite write) => new()
    {
        ["number"] = write.Number,
        ["queue"] = write.Queue,
        ["kind"] = write.Kind.Word(),
        ["offset"] = write.Offset,
        ["length"] = write.Length,
        ["fate"] = write.Fate.ToString().ToLowerInvariant(),
        ["keptBytes"] = write.KeptBytes,
        ["order"] = write.Order,
    };

    private static string Text(JsonObject request, string name) =>
        request[name] is JsonValue value && value.TryGetValue(out string? text)
            ? text
            : throw new UserErrorException($"the request needs '{name}', a text");

    private static long? Number(JsonObject request, string name) => request[name] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out long number) && number >= 0 => number,
        _ => throw new UserErrorException($"'{name}' is not a whole number from 0"),
    };
}
