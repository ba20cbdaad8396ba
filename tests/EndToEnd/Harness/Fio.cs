using System.Globalization;
using System.Text.Json.Nodes;

namespace EndToEnd.Harness;

/// <summary>fio on a file, with what all runs share.</summary>
public static class Fio
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(120);
    private static readonly string[] Common =
        ["--name=job", "--allow_file_create=0", "--verify_state_save=0", "--group_reporting", "--output-format=json"];

    public static Tool Start(string file, params string[] options) =>
        Tool.Start("fio", [.. Common, $"--filename={file}", .. options], new Dictionary<string, string>());

    /// <summary>As <see cref="Start"/>, in a session of its own.</summary>
    public static Tool StartInSession(string file, params string[] options) =>
        Tool.Start("setsid", ["--wait", Tool.Find("fio"), .. Common, $"--filename={file}", .. options], new Dictionary<string, string>());

    /// <summary>Runs it to its end, which must be a good one: a verify error is a bad one.</summary>
    public static FioReport Run(string file, params string[] options)
    {
        using Tool fio = Start(file, options);
        return new FioReport(fio.WaitForExit(Timeout).Succeeded());
    }
}

/// <summary>What a fio run reports, jobs grouped to one.</summary>
public sealed class FioReport
{
    private readonly JsonNode _job;

    public FioReport(RunResult result)
    {
        // Notes may precede the JSON.
        string json = result.Output[result.Output.IndexOf('{')..];
        _job = JsonNode.Parse(json)!["jobs"]![0]!;
    }

    public long Reads => Count("read", "total_ios");

    public long Writes => Count("write", "total_ios");

    public double ReadIops => double.Parse(_job["read"]!["iops"]!.ToString(), CultureInfo.InvariantCulture);

    private long Count(string direction, string what) =>
        long.Parse(_job[direction]![what]!.ToString(), CultureInfo.InvariantCulture);
}
