namespace EndToEnd.Robustness;

/// <summary>
/// A user without privileges attaches through fusermount3. The tests run it as nobody, in a mount namespace of its own
/// where /dev/fuse may be opened by all, as distributions have it.
/// </summary>
public sealed class UnprivilegedTests : EndToEndTest
{
    [Test]
    public void Nobody_attaches_writes_reads_and_detaches() => RunAsNobody("""
        "$VDISK" create img 16M
        "$VDISK" attach img mnt --queues 2
        grep -q "$PWD/mnt fuse.vdisk .*user_id=65534" /proc/self/mounts
        head -c 1048576 /dev/urandom > data
        dd if=data of=mnt/disk bs=100001 conv=notrunc,fsync status=none
        cmp -n 1048576 data mnt/disk
        "$VDISK" list | grep -q attached
        "$VDISK" detach mnt
        cmp -n 1048576 data img
        if grep "$PWD" /proc/self/mounts; then exit 1; fi
        """);

    [Test]
    public void Nobody_mounts_an_ext4_file_system_through_fuse2fs() => RunAsNobody("""
        "$VDISK" create img 16M
        mkfs.ext4 -q -F img
        "$VDISK" mount img mnt
        echo hello > mnt/hello
        "$VDISK" umount mnt
        if grep "$PWD" /proc/self/mounts; then exit 1; fi
        e2fsck -f -n img
        "$VDISK" mount img mnt --read-only
        grep -q hello mnt/hello
        "$VDISK" umount mnt
        """);

    private void RunAsNobody(string script)
    {
        string home = Space.Folder("home");
        Directory.CreateDirectory(Path.Combine(home, "mnt"));
        File.WriteAllText(Path.Combine(home, "script"), $"set -e\ncd {home}\n{script}\n");
        Tool.Run("chown", "--recursive", "65534:65534", home).Succeeded();
        string device = Space.Path("fuse");
        Tool.Run("mknod", "--mode=666", device, "c", "10", "229").Succeeded();
        string inNamespace = $"mount --bind {device} /dev/fuse && exec setpriv --reuid=65534 --regid=65534 --clear-groups "
            + $"env HOME={home} VDISK={Programs.Vdisk} VDISK_RUNTIME_DIR={home}/run sh -x {home}/script";
        Tool.Run("unshare", "--mount", "sh", "-c", inNamespace).Succeeded();
    }
}
