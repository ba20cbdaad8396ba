using System.Diagnostics;
using FuseFront.Fuse;
using NUnit.Framework;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>Mounting, refusing to, and the mount's end.</summary>
public sealed class FuseMountTests
{
    [TestCase(FuseMountMethod.System)]
    [TestCase(FuseMountMethod.Fusermount)]
    public void A_mount_shows_its_files_and_goes_away(FuseMountMethod method)
    {
        if (method == FuseMountMethod.Fusermount)
        {
            Tool.Succeed("fusermount3", "--version");
        }

        using MountedDisk mounted = new(method: method);
        MountEntry? entry = MountTable.Read().At(mounted.Root);
        Assert.That(entry!.Type, Is.EqualTo("fuse." + MountedDisk.Subtype));
        Assert.That(entry.Source, Is.EqualTo("test, image"));
        Assert.That(Tool.Succeed("ls", mounted.Root), Is.EqualTo("disk\nstats\n"));
        Assert.That(Tool.Succeed("cat", Path.Join(mounted.Root, "stats")), Is.EqualTo("{}\n"));
        mounted.Session.Unmount();
        Assert.That(mounted.Session.Mount.IsMounted, Is.False);
        Assert.That(mounted.Session.Ended.Wait(Tool.Limit));
    }

    [Test]
    public void An_unmount_from_outside_ends_the_session()
    {
        using MountedDisk mounted = new(queues: 2);
        Tool.Succeed("umount", mounted.Root);
        Assert.That(mounted.Session.Ended.Wait(Tool.Limit));
        mounted.Session.Unmount();
    }

    [Test]
    public void A_mount_in_use_is_busy_but_can_be_detached_lazily()
    {
        using MountedDisk mounted = new();
        using Process user = Tool.Start("sh", "-c", $"exec 3<{mounted.DiskPath}; echo ready; exec sleep 60");
        Assert.That(user.StandardOutput.ReadLine(), Is.EqualTo("ready"));

        Assert.That(() => mounted.Session.Unmount(), Throws.TypeOf<FuseMountException>()
            .With.Property(nameof(FuseMountException.Errno)).EqualTo(Errno.EBUSY).And.Message.Contains(mounted.Root));
        Assert.That(mounted.Session.Mount.IsMounted);
        mounted.Session.Unmount(lazy: true);
        Assert.That(mounted.Session.Mount.IsMounted, Is.False);
        Assert.That(mounted.Session.Ended.IsCompleted, Is.False, "the open file still works");
        user.Kill();
        Tool.WaitForExit(user);
        Assert.That(mounted.Session.Ended.Wait(Tool.Limit));
    }

    [Test]
    public void A_mount_whose_server_died_can_be_told_and_removed()
    {
        Assume.That(File.Exists("/dev/fuse") && UserIds.IsRoot, "needs /dev/fuse and root");
        string root = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        (FuseMount mount, FuseDevice device) = FuseMount.Create(Options(root));
        FuseHandshake.Perform(device, 1 << 20, FuseInitFlags.None, Tool.Limit);
        device.Dispose();

        Assert.That(mount.IsMounted);
        Assert.That(Tool.Fail("ls", root), Does.Contain("not connected"));
        Assert.That(Refusal(root), Does.Contain("attached already"));
        Assert.That(FuseMount.UnmountAt(root, lazy: false, MountedDisk.Subtype));
        Assert.That(FuseMount.UnmountAt(root, lazy: false, MountedDisk.Subtype), Is.False);
        mount.Unmount(lazy: false);
        Directory.Delete(root);
    }

    [Test]
    public void A_mount_below_another_one_is_not_mistaken_for_it()
    {
        using MountedDisk mounted = new();
        MountPoint.Mount("cover", mounted.Root, "tmpfs", MountFlags.None, string.Empty);
        try
        {
            Assert.That(() => mounted.Session.Unmount(), Throws.TypeOf<FuseMountException>().With.Message.Contains("tmpfs"));
            Assert.That(FuseMount.UnmountAt(mounted.Root, lazy: false, MountedDisk.Subtype), Is.False);
        }
        finally
        {
            MountPoint.Unmount(mounted.Root, lazy: true);
        }
    }

    [Test]
    public void A_bad_mount_point_is_refused_in_the_users_words()
    {
        string root = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        try
        {
            string file = Path.Join(root, "file");
            File.WriteAllText(file, "x");
            Assert.That(Refusal(Path.Join(root, "missing")), Does.Contain("does not exist").And.Contain("mkdir"));
            Assert.That(Refusal(file), Does.Contain("not a directory"));
            Assert.That(Refusal(Path.Join(file, "below")), Does.Contain("not a directory"));
            Assert.That(Refusal(root), Does.Contain("not empty"));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Test]
    public void A_place_is_attached_to_once()
    {
        using MountedDisk mounted = new();
        string link = mounted.Root + "-link";
        File.CreateSymbolicLink(link, mounted.Root);
        try
        {
            Assert.That(Refusal(mounted.Root), Does.Contain("attached already"));
            Assert.That(Refusal(link), Does.Contain("attached already"));
        }
        finally
        {
            File.Delete(link);
        }
    }

    [Test]
    public void A_read_only_mount_refuses_writers()
    {
        using MountedDisk mounted = new(readOnly: true);
        Assert.That(MountTable.Read().At(mounted.Root)!.IsReadOnly);
        Assert.That(Tool.Fail("dd", "if=/dev/zero", $"of={mounted.DiskPath}", "count=1", "conv=notrunc"), Does.Contain("Read-only"));
    }

    [Test]
    public void Fusermount_options_escape_the_source()
    {
        FuseMountOptions options = new() { MountPoint = "/x", Source = "a,b\\c", Subtype = "vdisk", ReadOnly = true, AllowOther = true };
        Assert.That(Fusermount.Options(options), Is.EqualTo(
            "fsname=a\\,b\\\\c,subtype=vdisk,default_permissions,max_read=1048576,nosuid,nodev,ro,allow_other"));
    }

    private static string Refusal(string path)
    {
        FuseMountException? refusal = Assert.Throws<FuseMountException>(() => FuseSession.Start(Options(path), new FuseDirectory()));
        Assert.That(refusal!.Message, Does.Contain(path[..^5]).And.Not.Contain("\n"));
        return refusal.Message;
    }

    private static FuseMountOptions Options(string path) => new() { MountPoint = path, Source = "test", Subtype = MountedDisk.Subtype };
}
