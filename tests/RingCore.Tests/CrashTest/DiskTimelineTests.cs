using RingCore.CrashTest;
using RingCore.Log;
using RingCore.Tests.Log;

namespace RingCore.Tests.CrashTest;

/// <summary>What a power cut may lose, and what it may not.</summary>
public sealed class DiskTimelineTests
{
    [Test]
    public void Flush_covers_what_completed_before_it_was_submitted_and_no_more()
    {
        TestLog log = new();
        log.Write(0, 1, 1);            // 1
        log.Write(1, 1, 2);            // 2: completes while the flush is under way
        log.Flush(after: 1);           // 3
        using CrashRig rig = new(log);
        DiskTimeline timeline = At(rig, 3);
        Assert.That(timeline.Steps.Select(s => s.Record), Is.EqualTo(new[] { 1 }));
        Assert.That(timeline.Open.Select(c => c.Record), Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public void Write_under_way_may_be_there_before_it_completes()
    {
        TestLog log = new();
        log.Write(0, 1, 1);            // 1
        log.Flush();                   // 2
        log.Write(1, 1, 2, after: 0);  // 3: submitted first, and completes last
        using CrashRig rig = new(log);
        Assert.That(At(rig, 0).Open.Select(c => c.Record), Is.EqualTo(new[] { 1, 3 }));
        Assert.That(At(rig, 2).Open.Select(c => c.Record), Is.EqualTo(new[] { 3 }));
    }

    [Test]
    public void Failed_flush_covers_nothing_and_failed_write_is_nowhere()
    {
        TestLog log = new();
        log.Write(0, 1, 1);
        log.Write(512, new byte[512], error: 5);
        log.Flush(error: 5);
        using CrashRig rig = new(log);
        DiskTimeline timeline = At(rig, 3);
        Assert.That(timeline.Steps, Is.Empty);
        Assert.That(timeline.Open.Select(c => c.Record), Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public void Forced_write_is_stable_and_what_it_covers_cannot_come_back()
    {
        TestLog log = new();
        log.Write(0, 4, 1);                                     // 1
        log.Write(8, 1, 1);                                     // 2
        log.Write(1, 2, 2, flags: LogFlags.ForceUnitAccess);    // 3: over the middle of 1
        using CrashRig rig = new(log);
        DiskTimeline timeline = At(rig, 3);
        Assert.That(timeline.Steps, Is.EqualTo(new[] { new Piece(3, 0, 2) }));
        Assert.That(timeline.Open.SelectMany(c => c.Live), Is.EqualTo(new[] { new Piece(1, 0, 1), new Piece(1, 3, 1), new Piece(2, 0, 1) }));
    }

    [Test]
    public void Write_at_the_same_time_as_a_forced_one_may_land_over_it()
    {
        TestLog log = new();
        log.Write(0, 1, 1);                                             // 1
        log.Write(0, 1, 2, after: 0, flags: LogFlags.ForceUnitAccess);  // 2: submitted before 1 completed
        using CrashRig rig = new(log);
        Assert.That(At(rig, 2).Open.Select(c => c.Record), Is.EqualTo(new[] { 1 }));
    }

    private static DiskTimeline At(CrashRig rig, int moment)
    {
        DiskTimeline timeline = new(rig.Index);
        timeline.MoveTo(moment);
        return timeline;
    }
}
