using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using RingCore.Hosting;
using RingCore.Log;
using RingCore.Units;
using Vdisk.Faults;

namespace Vdisk.Commands;

/// <summary><c>vdisk log</c>: looks into a log of <c>attach --record</c>, and marks places in one that is being written.</summary>
internal static class LogCommand
{
    public static Command Build() => new("log", "Show a log of 'attach --record', or mark a place in it.") { Show(), Mark() };

    private static Command Show()
    {
        Argument<string> file = OptionFactory.Path("FILE", "the log");
        Option<bool> json = OptionFactory.Flag("--json", "as JSON: the header, then a line for each record");
        var command = new Command("show", "Show every record of a log.") { file, json };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(file), parsed.GetValue(json)));
        return command;
    }

    private static Command Mark()
    {
        Argument<string> directory = OptionFactory.Path("DIR", "where the disk is attached, or its file system mounted");
        var text = new Argument<string>("TEXT") { Description = "what to write there" };
        var command = new Command("mark", "Mark the place in the log that a recorded disk is at.") { directory, text };
        command.SetAction(parsed =>
        {
            var request = new JsonObject { ["op"] = "log-mark", ["text"] = parsed.GetRequiredValue(text) };
            JsonObject reply = BackendCall.Ask(parsed.GetRequiredValue(directory), request);
            Console.WriteLine($"record {(long)reply["record"]!}");
            return ExitCodes.Success;
        });
        return command;
    }

    private static int Run(string file, bool json)
    {
        using LogReader log = LogReader.Open(file);
        using var output = new StreamWriter(Console.OpenStandardOutput(), bufferSize: 1 << 16);
        output.WriteLine(json ? HeaderJson(log).ToJsonString() : Header(log));
        foreach (LogRecord record in log.Scan())
        {
            output.WriteLine(json ? RecordJson(log, record).ToJsonString() : Line(log, record));
        }

        if (log.Tail is { } tail)
        {
            output.Flush();
            Console.Error.WriteLine($"vdisk: {file}: {tail}");
        }

        return ExitCodes.Success;
    }

    private static string Header(LogReader log) =>
        $"disk of {log.Header.ImageLength} bytes, blocks of {log.Header.BlockSize}, recorded from "
        + $"{log.Header.Created.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}\n"
        + "  number    after         ms  queue  what";

    private static string Line(LogReader log, in LogRecord record)
    {
        string what = record.Operation switch
        {
            LogOperation.Mark => $"mark  {log.ReadText(record)}",
            LogOperation.Flush => "flush",
            _ => $"{record.Operation.Name()}  {record.Offset}..{record.Offset + record.Length}  ({ByteSize.Format(record.Length)})",
        };
        string fua = record.IsForced ? "  fua" : "";
        string unmap = (record.Flags & LogFlags.MayUnmap) != 0 ? "  unmap" : "";
        string error = record.Error != 0 ? $"  failed: {RingCore.Posix.Errno.Name(record.Error)}" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{record.Number,8} {record.After,8} {record.TimeNs / 1e6,10:0.000} {record.Queue,6}  {what}{fua}{unmap}{error}");
    }

    private static JsonObject HeaderJson(LogReader log) => new()
    {
        ["file"] = Path.GetFullPath(log.Path),
        ["imageLength"] = log.Header.ImageLength,
        ["blockSize"] = log.Header.BlockSize,
        ["created"] = log.Header.Created.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
    };

    private static JsonObject RecordJson(LogReader log, in LogRecord record)
    {
        var node = new JsonObject
        {
            ["number"] = record.Number,
            ["after"] = record.After,
            ["operation"] = record.Operation.Name(),
            ["queue"] = record.Queue,
            ["timeNs"] = record.TimeNs,
        };
        if (record.Length > 0)
        {
            node["offset"] = record.Offset;
            node["length"] = record.Length;
            node["fua"] = record.IsForced;
        }

        if (record.Operation == LogOperation.Mark)
        {
            node["text"] = log.ReadText(record);
        }

        if (record.Error != 0)
        {
            node["errno"] = record.Error;
        }

        return node;
    }
}
