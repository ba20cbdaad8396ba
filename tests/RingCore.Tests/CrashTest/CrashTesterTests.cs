using RingCore.CrashTest;
using RingCore.Tests.Log;

namespace RingCore.Tests.CrashTest;

/// <summary>
/// A toy journal on the disk: sector 8·n + 1 holds the data of transaction n, sector 8·n its commit. Where a commit is, the
/// data must be.
/// </summary>
public sealed class CrashTesterTests
{
    private const int Transactions = 6;

    [Test]
    public void Journal_that_flushes_between_data_and_commit_passes_every_mode()
    {
        using CrashRig rig = new(Journal(flushBeforeCommit: true));
        CrashResults results = rig.Test(IsSound);
        Assert.That(results.Failures, Is.Empty);
        Assert.That(results.Modes.Select(m => m.States), Is.All.GreaterThan(Transactions));
        Assert.That(results.BaseVerdict.Passed, Is.True);
    }

    [Test]
    public void Lost_ordering_is_caught_and_comes_down_to_one_write()
    {
        using CrashRig rig = new(Journal(flushBeforeCommit: false));
        CrashResults results = rig.Test(IsSound);
        Assert.That(results.Modes.Single(m => m.Mode == CrashMode.Prefix).Failed, Is.Zero, "in order it is sound");
        Assert.That(results.Modes.Single(m => m.Mode == CrashMode.Reorder).Failed, Is.Positive);
        foreach (FailingState failing in results.Failures.Take(20))
        {
            SmallestCause cause = failing.Cause!;
            Assert.That(cause.IsSmallest, Is.True);
            Assert.That(cause.Applied.Count + cause.Lost.Count, Is.EqualTo(1), "a commit that is there, or data that is lost");
            Assert.That(IsSound(rig.Content(cause.State)), Is.False, "its state fails");
            Assert.That(IsSound(rig.Content(failing.Candidate.State)), Is.False, "and so does the one it came from");
        }
    }

    [Test]
    public void Promise_that_was_not_kept_is_caught_at_the_mark()
    {
        TestLog log = Journal(flushBeforeCommit: true, noise: 20);
        log.Write(400, 1, 1);
        log.Mark("400 is safe"); // without a flush, it is not
        using CrashRig rig = new(log);
        CrashResults results = rig.Test((content, facts) => facts.Mark != "400 is safe" || content[400 * 512] == 1, modes: CrashMode.Flush);
        SmallestCause cause = results.Failures.Single().Cause!;
        int lost = Enumerable.Range(1, rig.Index.Count).Single(n => rig.Index[n].Offset == 400 * 512);
        Assert.That(cause.Lost, Is.EqualTo(new[] { new Piece(lost, 0, 1) }));
    }

    [Test]
    public void Same_content_under_another_mark_is_looked_at_again()
    {
        TestLog log = new();
        log.Write(0, 1, 1);
        log.Mark("a");
        log.Mark("b");
        using CrashRig rig = new(log);
        HashSet<(byte, string)> seen = [];
        rig.Test((content, facts) => { lock (seen) { return seen.Add((content[0], facts.Mark)); } }, modes: CrashMode.Flush);
        Assert.That(seen, Is.SupersetOf(new[] { ((byte)0, "a"), ((byte)1, "a"), ((byte)0, "b"), ((byte)1, "b") }));
    }

    [Test]
    public void Torn_write_is_caught_and_named_by_its_sectors()
    {
        TestLog log = new();
        log.Write(0, 8, 1);
        log.Flush();
        using CrashRig rig = new(log);
        CrashResults results = rig.Test((content, _) => content.Take(4096).Distinct().Count() == 1, modes: CrashMode.Reorder);
        Assert.That(results.Failures, Has.Count.EqualTo(254), "every part of eight sectors but none and all");
        Assert.That(results.Failures.Select(f => f.Cause).OfType<SmallestCause>().Select(c => c.Applied.Count + c.Lost.Count), Is.All.Positive);
        Assert.That(rig.Test((content, _) => content.Take(4096).Distinct().Count() == 1, sector: 4096).Failures, Is.Empty);
    }

    [Test]
    public void States_before_the_given_record_are_left_out()
    {
        using CrashRig rig = new(Journal(flushBeforeCommit: true));
        int from = rig.Index.Count - 3;
        List<int> moments = [];
        rig.Test((_, facts) => { lock (moments) { moments.Add(facts.At); } return true; }, from: from);
        Assert.That(moments.Where(m => m != 0), Is.All.GreaterThanOrEqualTo(from), "but for the look at the base image");
    }

    [Test]
    public void Failure_of_the_check_itself_ends_the_test_and_leaves_nothing()
    {
        using CrashRig rig = new(Journal(flushBeforeCommit: true));
        int checks = 0;
        Assert.That(
            () => rig.Test((_, _) => Interlocked.Increment(ref checks) < 5 ? true : throw new InvalidOperationException("no such program")),
            Throws.InvalidOperationException);
    }

    [Test]
    public void Large_log_is_minimised_to_a_handful_of_writes()
    {
        // A thousand writes without a flush, of which one alone breaks the rule: sector 77 must not be 9 while 78 is 0.
        TestLog log = new(imageLength: 4 << 20);
        Random random = new(3);
        for (int i = 0; i < 500; i++)
        {
            log.Write(100 + random.Next(4000), 1, 1);
        }

        log.Write(78, 1, 9);
        log.Write(77, 1, 9);
        for (int i = 0; i < 500; i++)
        {
            log.Write(100 + random.Next(4000), 1, 2);
        }

        using CrashRig rig = new(log);
        CrashResults results = rig.Test((content, _) => content[77 * 512] == 0 || content[78 * 512] == 9, limit: 60, modes: CrashMode.Reorder);
        Assert.That(results.Failures, Is.Not.Empty);
        Assert.That(results.Failures.Select(f => f.Cause!.Applied.Count + f.Cause.Lost.Count), Is.All.EqualTo(1));
    }

    private static TestLog Journal(bool flushBeforeCommit, int noise = 0)
    {
        TestLog log = new();
        for (int n = 0; n < Transactions; n++)
        {
            log.Write((8 * n) + 1, 1, 0xDA);
            if (flushBeforeCommit)
            {
                log.Flush();
            }

            log.Write(8 * n, 1, 0xC0);
            log.Flush();
            for (int i = 0; i < noise; i++)
            {
                log.Write(500 + (n * noise) + i, 1, (byte)(i + 1));
            }
        }

        return log;
    }

    private static bool IsSound(byte[] content, StateFacts? facts = null) =>
        Enumerable.Range(0, Transactions).All(n => content[8 * n * 512] == 0 || content[((8 * n) + 1) * 512] == 0xDA);
}
