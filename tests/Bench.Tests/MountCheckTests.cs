using Bench.Measuring;
using RingCore.Posix;

namespace Bench.Tests;

public class MountCheckTests
{
    private static readonly MountTable Table = MountTable.Parse(
        """
        1 0 8:1 / / rw - ext4 /dev/a rw
        2 1 0:20 / /shm rw - tmpfs tmpfs rw
        3 2 0:30 / /shm/x/mnt rw - fuse a rw
        4 2 0:31 / /shm/x/mnt rw - fuse.vdisk b rw
        5 2 0:32 / /shm/y/mnt/disk rw - fuse c rw
        """);

    [TestCase("/shm/x/mnt/disk", 4)]
    [TestCase("/shm/x/mnt", 4)]
    [TestCase("/shm/x/mnt2/disk", 2)]
    [TestCase("/shm/y/mnt/disk", 5)]
    [TestCase("/shm/y/mnt/disk2", 2)]
    [TestCase("/home", 1)]
    public void The_innermost_and_youngest_mount_holds_a_path(string path, int id) =>
        Assert.That(MountCheck.MountOf(Table, path)?.Id, Is.EqualTo(id));

    [Test]
    public void A_plain_file_is_no_FUSE_file() => Assert.That(() => MountCheck.RequireNoFuse("/proc/self/stat"), Throws.Nothing);

    [Test]
    public void A_process_has_had_CPU_time_and_belongs_to_its_session()
    {
        Assert.That(() => ProcessTimes.Of([Environment.ProcessId]), Is.GreaterThan(TimeSpan.Zero).After(5000, 10));
        Assert.That(ProcessTimes.OfSession(1 << 30), Is.Empty);
        Assert.That(ProcessTimes.Of([1 << 30]), Is.EqualTo(TimeSpan.Zero));
    }
}
