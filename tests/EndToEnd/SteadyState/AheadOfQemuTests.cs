using System.Globalization;

namespace EndToEnd.SteadyState;

/// <summary>
/// On /dev/fuse with two queues, image on tmpfs, direct 4 KiB random reads at depth 32: ahead of Debian's
/// <c>qemu-storage-daemon --export type=fuse</c>, both measured in turns in the same run.
/// </summary>
[Category("Benchmark")]
public sealed class AheadOfQemuTests : EndToEndTest
{
    private const int Rounds = 7; // many and short: whatever else the machine does falls on both
    private const int Size = 128 << 20;

    protected override string Parent => "/dev/shm";

    [Test]
    public void Random_reads_are_faster_than_qemu_storage_daemons()
    {
        using AttachedDisk disk = Space.Attach(FilledImage("ours.img"), "--queues", "2", "--fuse", "dev");
        Assert.That(disk.Stats().Front.FuseTransport, Is.EqualTo("dev"));
        string export = Space.Path("export");
        File.WriteAllText(export, "");
        using Tool qemu = StartQemu(FilledImage("theirs.img"), export);
        Array.ForEach([qemu.Pid, disk.FrontPid, disk.BackendPid], Priority.Lift);
        List<double> ours = [];
        List<double> theirs = [];
        for (int round = 0; round < Rounds; round++)
        {
            theirs.Add(Measure(export));
            ours.Add(Measure(disk.DiskFile));
        }

        qemu.Signal(LiveProcess.SigTerm);
        qemu.WaitForExit(Tool.StandardTimeout).Succeeded();
        string numbers = $"IOPS by round: ours {Show(ours)}; qemu-storage-daemon {Show(theirs)}";
        TestContext.Out.WriteLine(numbers);
        Assert.That(Median(ours), Is.GreaterThan(Median(theirs)), numbers);
    }

    private static Tool StartQemu(string image, string export)
    {
        Tool qemu = Tool.Start(
            "setsid", // a session of its own, as our processes have
            [
                "--wait", "qemu-storage-daemon",
                "--blockdev", $"driver=file,node-name=file,filename={image}",
                "--blockdev", "driver=raw,node-name=disk,file=file",
                "--export", $"type=fuse,id=export,node-name=disk,mountpoint={export},writable=on",
            ],
            new Dictionary<string, string>());
        Wait.For("qemu's export", () => new FileInfo(export).Length == Size || qemu.HasExited);
        return qemu;
    }

    private static double Measure(string file)
    {
        using Tool fio = Fio.StartInSession(
            file,
            "--ioengine=libaio", "--direct=1", "--rw=randread", "--bs=4k", "--iodepth=32", $"--size={Size}", "--norandommap",
            "--time_based", "--ramp_time=0.5", "--runtime=1");
        Priority.Lift(fio.Pid);
        return new FioReport(fio.WaitForExit(Tool.StandardTimeout).Succeeded()).ReadIops;
    }

    private static string Show(List<double> values) => string.Join(", ", values.Select(v => v.ToString("F0", CultureInfo.InvariantCulture)));

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private string FilledImage(string name)
    {
        string image = Space.Path(name);
        File.WriteAllBytes(image, TestData.Random(Size, seed: 20));
        return image;
    }
}
