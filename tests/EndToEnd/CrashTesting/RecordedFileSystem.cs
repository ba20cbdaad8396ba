using System.Text.Json.Nodes;

namespace EndToEnd.CrashTesting;

/// <summary>
/// A file system on a recorded disk, with a copy of the disk from before. A test works in it, closes it, and crash-tests
/// the log.
/// </summary>
internal sealed class RecordedFileSystem
{
    private readonly TestSpace _space;
    private readonly Lock _marking = new();

    internal RecordedFileSystem(TestSpace space, string mkfs, long bytes = 64 << 20, string? faultRules = null)
    {
        _space = space;
        string image = space.Image(bytes);
        string[] words = mkfs.Split(' ');
        Tool.Run(words[0], [.. words[1..], image]).Succeeded();
        Base = space.Path("base.img");
        Tool.Run("cp", "--sparse=always", image, Base).Succeeded();
        Log = space.Path("disk.log");
        Folder = space.Folder("fs");
        List<string> options = ["--record", Log];
        if (faultRules is not null)
        {
            File.WriteAllText(space.Path("rules.txt"), faultRules);
            options.AddRange(["--faults", space.Path("rules.txt")]);
        }

        space.Vdisk(["mount", image, Folder, .. options]).Succeeded();
    }

    internal string Base { get; }

    internal string Log { get; }

    /// <summary>Where it is mounted.</summary>
    internal string Folder { get; }

    internal void Mark(string text)
    {
        lock (_marking)
        {
            _space.Vdisk("log", "mark", Folder, text).Succeeded();
        }
    }

    internal void Close() => _space.Vdisk("umount", Folder).Succeeded();

    /// <summary>
    /// Creates, appends, syncs and renames in several threads. After each file that is safe a mark tells how many of each
    /// thread are: <c>2 1 3</c>.
    /// </summary>
    internal void Work(int threads, int files)
    {
        int[] safe = new int[threads];
        string script = Path.Combine(_space.Root, "one.sh");
        File.WriteAllText(script, """
            set -e
            cd "$1"
            echo "begin $2 $3" > "t$2.$3"
            sync "t$2.$3"
            echo "end $2 $3" >> "t$2.$3"
            sync "t$2.$3"
            mv "t$2.$3" "f$2.$3"
            sync .
            """);
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, thread =>
        {
            for (int file = 1; file <= files; file++)
            {
                Tool.Run("sh", script, Folder, $"{thread + 1}", $"{file}").Succeeded();
                lock (safe)
                {
                    safe[thread] = file;
                    Mark(string.Join(' ', safe));
                }
            }
        });
    }

    /// <summary>Runs <c>vdisk crashtest</c>.</summary>
    internal CrashReport CrashTest(params string[] options)
    {
        string json = _space.Path("report.json");
        using Tool tool = _space.StartVdisk(["crashtest", Log, "--base", Base, "--json", json, "--html", _space.Path("report.html"), .. options]);
        RunResult result = tool.WaitForExit(TimeSpan.FromMinutes(2));
        Assert.That(File.Exists(json), Is.True, result.ToString());
        TestContext.Out.WriteLine(result.Output);
        return new CrashReport(result, JsonNode.Parse(File.ReadAllText(json))!.AsObject(), File.ReadAllText(_space.Path("report.html")));
    }

    /// <summary>A check without a mount: the journal is replayed, the file system must be sound, and every safe file whole.</summary>
    internal string Ext4Check()
    {
        string script = _space.Path("check.sh");
        File.WriteAllText(script, """
            e2fsck -E journal_only -fy "$1" > "$1.fsck" 2>&1
            e2fsck -fn "$1" > "$1.fsck" 2>&1 || { cat "$1.fsck"; exit 1; }
            thread=0
            for safe in $VDISK_MARK; do
                thread=$((thread + 1))
                for file in $(seq 1 $safe); do
                    [ "$(debugfs -R "cat /f$thread.$file" "$1" 2> "$1.err")" = "begin $thread $file
            end $thread $file" ] || { echo "f$thread.$file is not what was synced"; exit 1; }
                done
            done
            rm -f "$1.fsck" "$1.err"
            """);
        return $"PATH=$PATH:/usr/sbin:/sbin; sh '{script}' {{}}";
    }
}

/// <summary>What a crash test said.</summary>
internal sealed record CrashReport(RunResult Result, JsonObject Json, string Html)
{
    internal IReadOnlyList<JsonNode> Failures => [.. Json["failures"]!.AsArray().Select(f => f!)];

    /// <summary>Changes in the smallest cause of each failure that it was found for.</summary>
    internal IReadOnlyList<int> CauseSizes =>
    [
        .. Failures.Where(f => f["cause"] is not null).Select(f => f["cause"]!["applied"]!.AsArray().Count + f["cause"]!["lost"]!.AsArray().Count),
    ];

    internal long States(string mode) => Json["modes"]!.AsArray().Where(m => (string?)m!["mode"] == mode).Sum(m => (long)m!["states"]!);

    internal CrashReport Passed()
    {
        Assert.That(Result.ExitCode, Is.Zero, Result.ToString());
        Assert.That(Failures, Is.Empty);
        Assert.That(Html, Does.Contain("<span class=\"pass\">passed</span>"));
        return this;
    }

    /// <summary>
    /// Some state fails, and what makes it fail is a handful of writes; or none, where what was promised had not even been
    /// written.
    /// </summary>
    internal CrashReport Caught(bool mayBeUnwritten = false)
    {
        Assert.That(Result.ExitCode, Is.EqualTo(1), Result.ToString());
        Assert.That(Failures, Is.Not.Empty);
        Assert.That(CauseSizes, Is.Not.Empty.And.All.LessThanOrEqualTo(8));
        Assert.That(mayBeUnwritten || CauseSizes.Any(size => size > 0), Is.True, "some cause is a write");
        Assert.That(Html, Does.Contain("<span class=\"fail\">failed</span>").And.Not.Contain("<script").And.Not.Contain("http"));
        return this;
    }
}
