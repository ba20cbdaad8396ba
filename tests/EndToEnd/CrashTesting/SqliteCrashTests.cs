namespace EndToEnd.CrashTesting;

/// <summary>A database keeps its committed transactions if it syncs, and is caught if it does not.</summary>
[Category(OnceOnly.Name)]
public sealed class SqliteCrashTests : EndToEndTest
{
    private const int Transactions = 5;

    [TestCase("wal", "full")]
    [TestCase("persist", "full")]
    [TestCase("delete", "extra")]
    public void Committed_transactions_are_there_in_every_state(string journal, string synchronous) =>
        Run(journal, synchronous, "--limit", "40").Passed();

    /// <summary>SQLite's own documentation says so: only EXTRA syncs the folder after the journal, whose removal is the commit, is gone.</summary>
    [Test]
    public void Commit_by_removing_the_journal_is_caught_without_a_sync_of_the_folder() =>
        Run("delete", "full", "--mode", "flush", "--minimize", "2").Caught(mayBeUnwritten: true);

    [Test]
    public void Commits_without_sync_are_caught() =>
        Run("delete", "off", "--limit", "40", "--minimize", "30").Caught();

    private CrashReport Run(string journal, string synchronous, params string[] options)
    {
        RecordedFileSystem fs = new(Space, "mkfs.ext4 -q -F", 32 << 20);
        var script = new System.Text.StringBuilder($"pragma journal_mode={journal};\npragma synchronous={synchronous};\n");
        script.Append("create table t(n integer, filler text);\n");
        for (int n = 1; n <= Transactions; n++)
        {
            script.Append($"begin; insert into t values({n}, hex(randomblob(2000))); commit;\n.shell {Programs.Vdisk} log mark {fs.Folder} {n}\n");
        }

        File.WriteAllText(Space.Path("script.sql"), script.ToString());
        using (Tool sqlite = Tool.Start("sh", ["-c", $"sqlite3 '{fs.Folder}/t.db' < '{Space.Path("script.sql")}'"], Space.Environment))
        {
            sqlite.WaitForExit(Tool.StandardTimeout).Succeeded();
        }

        fs.Close();
        string check = Space.Path("check.sh");
        File.WriteAllText(check, """
            [ -n "$VDISK_MARK" ] || exit 0
            [ "$(sqlite3 t.db 'pragma integrity_check')" = ok ] || { echo "not sound"; exit 1; }
            found=$(sqlite3 t.db 'select count(*) from t where n <= '$VDISK_MARK)
            [ "$found" = "$VDISK_MARK" ] || { echo "$found of $VDISK_MARK transactions are there"; exit 1; }
            """);
        return fs.CrashTest(["--mount-check", $"sh '{check}'", .. options]);
    }
}
