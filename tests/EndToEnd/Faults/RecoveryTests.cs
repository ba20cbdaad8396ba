using System.Text.Json.Nodes;
using RingCore.Hosting;

namespace EndToEnd.Faults;

/// <summary>
/// The front drives a device that loses kicks, irqs and requests, and breaks the rules of the ring: applications see right data,
/// later, or EIO at worst.
/// </summary>
public sealed class RecoveryTests : EndToEndTest
{
    private const int DiskBytes = 32 << 20;
    private const int SomeOps = 1024;
    private static readonly string[] Verify =
    [
        "--rw=randrw", "--direct=1", "--ioengine=libaio", "--bs=4k", $"--size={SomeOps * 4096}", "--verify=crc32c", "--verify_fatal=1",
    ];

    [Test]
    public void Lost_kicks_are_repeated_and_the_data_is_right()
    {
        using AttachedDisk disk = Attach("--request-timeout", "200ms", "--queues", "2", "--poll-max-ns", "0");
        Add(disk, "lost: on kick every 20 count 10 lose");
        Fio.Run(disk.DiskFile, [.. Verify, "--iodepth=4"]);
        RequireHits(disk, "lost");
        Assert.That(disk.Stats().Front.Queues.Sum(q => q.KicksRepeated), Is.Positive);
        RequireLogged(disk, "kicking again");
    }

    [Test]
    public void Lost_irqs_are_found_in_the_ring_and_the_data_is_right()
    {
        using AttachedDisk disk = Attach("--request-timeout", "200ms", "--queues", "2", "--poll-max-ns", "0");
        Add(disk, "lost: on irq every 20 count 10 lose");
        Fio.Run(disk.DiskFile, [.. Verify, "--iodepth=4"]);
        RequireHits(disk, "lost");
        Assert.That(disk.Stats().Front.Queues.Sum(q => q.IrqsLost), Is.Positive);
        RequireLogged(disk, "an interrupt was lost");
        Assert.That(Space.Vdisk("stats", disk.Directory).Succeeded().Output, Does.Contain("irqs lost").And.Contain("kicks repeated"));
    }

    [Test]
    public void Spurious_irqs_do_no_harm()
    {
        using AttachedDisk disk = Attach();
        Add(disk, "ghost: on irq spurious");
        Fio.Run(disk.DiskFile, [.. Verify, "--iodepth=8"]);
        RequireHits(disk, "ghost");
        Assert.That(disk.Stats().Front.DeviceResets, Is.Zero);
    }

    [Test]
    public void Kicks_and_irqs_that_both_get_lost_without_event_index_do_no_harm()
    {
        using AttachedDisk disk = Attach("--request-timeout", "200ms", "--without-features", "event-idx", "--queues", "1", "--poll-max-ns", "0");
        Add(disk, "kick: on kick every 30 count 5 lose");
        Add(disk, "irq: on irq every 30 count 5 lose");
        Fio.Run(disk.DiskFile, [.. Verify, "--iodepth=4"]);
        RequireHits(disk, "kick", "irq");
    }

    /// <summary>
    /// A wrong index needs one request at a time, so that nothing puts it right again, and a driver that does not poll: it would
    /// take the request before the index goes wrong.
    /// </summary>
    [TestCase("used-id", 1)]
    [TestCase("used-length", 1)]
    [TestCase("used-index", 1)]
    [TestCase("used-id", 16)]
    [TestCase("used-length", 16)]
    public void Device_that_breaks_a_rule_is_reset_and_the_data_is_right(string corruption, int depth)
    {
        using AttachedDisk disk = Attach("--request-timeout", "10s", "--queues", "2", "--poll-max-ns", "0");
        Add(disk, $"on ring skip 100 every 300 count 3 corrupt {corruption}");
        Fio.Run(disk.DiskFile, [.. Verify, $"--iodepth={depth}"]);
        DiskStats stats = disk.Stats();
        Assert.Multiple(() =>
        {
            Assert.That(stats.Front.DeviceResets, Is.InRange(1, 3));
            Assert.That(stats.Front.Queues.Sum(q => q.Errors), Is.Zero);
            Assert.That(stats.Front.Queues.Sum(q => q.RequestsResubmitted), Is.GreaterThanOrEqualTo(stats.Front.DeviceResets));
            RequireLogged(disk, "the device broke a rule");
            RequireLogged(disk, "the device was reset");
            Assert.That(Space.Vdisk("stats", disk.Directory).Output, Does.Contain("reset").And.Contain("requests resubmitted"));
        });
    }

    [Test]
    public void Device_that_breaks_rules_again_and_again_is_given_up()
    {
        using AttachedDisk disk = Attach("--queues", "1");
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            Add(disk, "on ring corrupt used-id");
            byte[] data = new byte[4096];
            Assert.That(io.TryWrite(data, 0), Is.EqualTo(-Posix.EIO));
            disk.Fault("clear").Succeeded();
            Assert.That(io.TryWrite(data, 0), Is.EqualTo(-Posix.EIO), "for good");
        }

        RequireLogged(disk, "the 6th time within 60 s: every request ends with an I/O error from now on");
        Assert.That(disk.Stats().Front.DeviceResets, Is.EqualTo(5));
    }

    [Test]
    public void Request_that_hangs_for_good_ends_with_an_error_and_the_disk_works_on()
    {
        string image = Space.Image(DiskBytes);
        using AttachedDisk disk = Space.Attach(image, "--request-timeout", "200ms");
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        byte[] data = TestData.Random(4096, seed: 3);
        Add(disk, "stuck: on write at 1M..2M hang");
        Assert.That(io.TryWrite(data, 1 << 20), Is.EqualTo(-Posix.EIO));
        RequireLogged(disk, "they timed out 3 times");
        Assert.That(io.TryWrite(data, 0), Is.EqualTo(data.Length), "elsewhere");
        disk.Fault("clear").Succeeded();
        Assert.That(io.TryWrite(data, 1 << 20), Is.EqualTo(data.Length));
        Assert.That(io.Sync(), Is.Zero);
        Assert.That(io.Read(1 << 20, 4096).AsSpan().SequenceEqual(data), Is.True);
        Assert.That(disk.Stats().Front.DeviceResets, Is.GreaterThanOrEqualTo(3), "more if another request was late on a loaded machine");
    }

    [Test]
    public void Request_whose_hanging_ends_in_time_completes_without_a_reset()
    {
        using AttachedDisk disk = Attach();
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        byte[] data = TestData.Random(4096, seed: 4);
        Add(disk, "window: on write to 2s hang");
        Assert.That(io.TryWrite(data, 0), Is.EqualTo(data.Length));
        RequireHits(disk, "window");
        Add(disk, "cleared: on write hang");
        using (Tool writer = StartWrite(disk, at: 4096))
        {
            disk.Fault("wait", "cleared").Succeeded();
            disk.Fault("clear").Succeeded();
            writer.WaitForExit(Tool.StandardTimeout).Succeeded();
        }

        Assert.That(disk.Stats().Front.DeviceResets, Is.Zero);
    }

    /// <summary>Half a minute is what a reset may take.</summary>
    [Test]
    public void Backend_that_does_not_even_answer_a_reset_makes_errors_and_no_hang()
    {
        using AttachedDisk disk = Attach("--request-timeout", "200ms");
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            LiveProcess.Signal(disk.BackendPid, LiveProcess.SigStop);
            try
            {
                Assert.That(io.TryWrite(new byte[4096], 0), Is.EqualTo(-Posix.EIO));
                Assert.That(io.TryWrite(new byte[4096], 0), Is.EqualTo(-Posix.EIO), "at once");
            }
            finally
            {
                LiveProcess.Signal(disk.BackendPid, LiveProcess.SigCont);
            }
        }

        RequireLogged(disk, "and it could not be reset");
    }

    [Test]
    public void Request_timeout_of_zero_waits_for_ever()
    {
        using AttachedDisk disk = Attach("--request-timeout", "0");
        Add(disk, "window: on write to 2s hang");
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        Assert.That(io.TryWrite(new byte[4096], 0), Is.EqualTo(4096));
        RequireHits(disk, "window");
        Assert.That(disk.Stats().Front.Queues.Sum(q => q.KicksRepeated), Is.Zero);
    }

    /// <summary>Other requests than the one that hangs lose time by its resets, and nothing else.</summary>
    [Test]
    public void Resets_for_one_request_do_not_disturb_the_data_of_others()
    {
        using AttachedDisk disk = Attach("--request-timeout", "1s", "--queues", "2");
        Add(disk, "stuck: on write at 31M..32M hang");
        using Tool writer = StartWrite(disk, at: 31 << 20);
        disk.Fault("wait", "stuck").Succeeded();
        Fio.Run(disk.DiskFile, [.. Verify, "--iodepth=16", "--time_based", "--runtime=4"]);
        Assert.That(writer.WaitForExit(Tool.StandardTimeout).Error, Does.Contain("Input/output error"));
        Assert.That(disk.Stats().Front.DeviceResets, Is.GreaterThanOrEqualTo(3), "more if another request was late on a loaded machine");
        Assert.That(disk.Stats().Front.Queues.Sum(q => q.Errors), Is.EqualTo(1));
    }

    [Test]
    public void Attaching_survives_lost_notifications_and_a_broken_ring_from_the_first_request_on()
    {
        string faults = Space.Path("faults.txt");
        File.WriteAllText(faults, "kick: on kick count 1 lose\nirq: on irq count 2 lose\nring: on ring count 1 corrupt used-id\n");
        using AttachedDisk disk = Attach("--faults", faults, "--queues", "1");
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        Assert.That(io.TryWrite(new byte[4096], 0), Is.EqualTo(4096));
        RequireHits(disk, "kick", "irq", "ring");
    }

    /// <summary>The back end outlives the disk, so that it can tell whether something was lost.</summary>
    [Test]
    public void Detaching_survives_lost_notifications()
    {
        string image = Space.Image(DiskBytes);
        string socket = Space.Path("s.sock");
        byte[] data = TestData.Random(4096, seed: 5);
        using Tool backend = HandStarted.VhostUserBackend(Space, image, socket, "--volatile-cache", "4M");
        using (AttachedDisk disk = Space.Attach($"vhost-user:{socket}", "--queues", "1"))
        {
            using (DiskIo io = DiskIo.Open(disk.DiskFile))
            {
                Assert.That(io.TryWrite(data, 0), Is.EqualTo(data.Length));
            }

            AskBackend(new JsonObject { ["op"] = "fault-add", ["rule"] = "on kick count 1 lose" });
            AskBackend(new JsonObject { ["op"] = "fault-add", ["rule"] = "on irq count 1 lose" });
        }

        JsonArray rules = AskBackend(new JsonObject { ["op"] = "fault-list" })["rules"]!.AsArray();
        Assert.That(rules.Select(rule => (long)rule!["hits"]!), Is.EqualTo((long[])[1, 1]));
        Assert.That(File.ReadAllBytes(image).AsSpan(0, data.Length).SequenceEqual(data), Is.True);
        backend.Signal(LiveProcess.SigTerm);
        backend.WaitForExit(Tool.StandardTimeout).Succeeded();
    }

    /// <summary>Over vhost-user a reset is a new session: the end of the old one is not the back end's.</summary>
    [Test]
    public void Device_behind_vhost_user_is_reset_too_and_the_disk_works_on()
    {
        string socket = Space.Path("s.sock");
        using Tool backend = HandStarted.VhostUserBackend(Space, Space.Image(DiskBytes), socket);
        using AttachedDisk disk = Space.Attach($"vhost-user:{socket}", "--queues", "2");
        using DiskIo io = DiskIo.Open(disk.DiskFile);
        for (int round = 1; round <= 3; round++)
        {
            byte[] data = TestData.Random(4096, seed: round);
            AskBackend(new JsonObject { ["op"] = "fault-add", ["rule"] = "on ring count 1 corrupt used-id" });
            Assert.That(io.TryWrite(data, 0), Is.EqualTo(data.Length));

            // The answer comes from the front's main loop, which has seen by then what there was to see of either connection.
            Assert.That(disk.FrontStats().DeviceResets, Is.EqualTo(round));
            Assert.That(io.Read(0, data.Length), Is.EqualTo(data));
        }
    }

    [Test]
    public void Disk_that_hangs_says_so_when_it_is_to_be_detached()
    {
        using AttachedDisk disk = Attach();
        Add(disk, "stuck: on write hang");
        using Tool writer = StartWrite(disk, at: 0);
        disk.Fault("wait", "stuck").Succeeded();
        Space.Vdisk("detach", disk.Directory)
            .RefusedInOneLine(1, "in use by dd", "1 request hangs in the device", $"'vdisk fault clear {disk.Directory}'");
        disk.Fault("clear").Succeeded();
        writer.WaitForExit(Tool.StandardTimeout).Succeeded();
    }

    /// <summary>What hangs is given up before the time is over, so that the rest is flushed and nobody is killed.</summary>
    [Test]
    public void Lazy_detaching_of_a_disk_that_hangs_saves_what_was_acknowledged()
    {
        string image = Space.Image(DiskBytes);
        byte[] data = TestData.Random(4096, seed: 6);
        AttachedDisk disk = Space.Attach(image, "--volatile-cache", "4M");
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            Assert.That(io.TryWrite(data, 0), Is.EqualTo(data.Length));
        }

        Add(disk, "stuck: on write at 1M..2M hang");
        using Tool writer = StartWrite(disk, at: 1 << 20);
        disk.Fault("wait", "stuck").Succeeded();
        RunResult detached = Space.Vdisk("detach", disk.Directory, "--lazy", "--timeout", "20").Succeeded();
        Assert.That(detached.Error, Does.Contain("1 request hangs in the device and will be given up"));
        Assert.That(writer.WaitForExit(Tool.StandardTimeout).ExitCode, Is.Not.Zero);
        Assert.That(File.ReadAllBytes(image).AsSpan(0, data.Length).SequenceEqual(data), Is.True);
    }

    [TestCase("soon", "is not a time")]
    [TestCase("1ms", "use 0, or 100ms to 60m")]
    [TestCase("2h", "is not a time")]
    public void Wrong_request_timeout_is_refused(string timeout, string why) =>
        Space.Vdisk("attach", Space.Image(DiskBytes), Space.Folder("dir"), "--request-timeout", timeout)
            .RefusedInOneLine(2, "--request-timeout", why);

    private AttachedDisk Attach(params string[] options) => Space.Attach(Space.Image(DiskBytes), options);

    /// <summary>Of a back end that was started by hand.</summary>
    private JsonObject AskBackend(JsonObject request) => ControlClient.Call(Space.Path("backend.ctl"), request, Tool.StandardTimeout);

    private static void Add(AttachedDisk disk, string rule) => disk.Fault("add", rule).Succeeded();

    /// <summary>Each of these rules has struck: without its fault a test of the recovery shows nothing.</summary>
    private static void RequireHits(AttachedDisk disk, params string[] rules) =>
        Assert.That(rules.Select(rule => (long)disk.FaultRule(rule)["hits"]!), Is.All.Positive, string.Join(", ", rules));

    /// <summary>The answer to a request may overtake the line about it.</summary>
    private static void RequireLogged(AttachedDisk disk, string text) =>
        Wait.For($"'{text}' in the front's log", () => disk.FrontLog.Contains(text, StringComparison.Ordinal));

    private static Tool StartWrite(AttachedDisk disk, int at) => Tool.Start(
        "dd",
        ["if=/dev/zero", $"of={disk.DiskFile}", "bs=4k", "count=1", $"seek={at / 4096}", "oflag=direct", "conv=notrunc"],
        new Dictionary<string, string>());
}
