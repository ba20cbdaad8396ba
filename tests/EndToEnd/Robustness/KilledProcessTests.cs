using RingCore.Posix;
using Posix = EndToEnd.Harness.Posix;

namespace EndToEnd.Robustness;

/// <summary>One half is killed while requests are in flight.</summary>
public sealed class KilledProcessTests : EndToEndTest
{
    /// <summary>No request times out here: what ends them is that the connection has.</summary>
    [Test, Repeat(3)]
    public void Killed_backend_means_errors_and_a_clean_detach()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(64 << 20), "--request-timeout", "0");
        using Tool fio = Fio.Start(
            disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randrw", "--bs=4k", "--iodepth=32", "--offset=16m", "--size=32m",
            "--time_based", "--runtime=60");
        using BusyWriters writers = new(disk.DiskFile);
        Wait.For("fio at work", () => disk.Stats().FrontTotal.Read.Requests > 1000);

        LiveProcess.Signal(disk.BackendPid, LiveProcess.SigKill);
        Assert.That(writers.WaitForErrors(Tool.StandardTimeout), Is.True, "pending requests hang");
        Assert.That(writers.Errors, Is.All.EqualTo(Posix.EIO));
        RunResult ended = fio.WaitForExit(Tool.StandardTimeout);
        Assert.That(ended.ExitCode, Is.Not.Zero);
        Assert.That(ended.Output + ended.Error, Does.Contain("Input/output error"));

        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            Assert.That(io.TryRead(new byte[512], 0), Is.EqualTo(-Posix.EIO));
            Assert.That(io.TryWrite(new byte[512], 0), Is.EqualTo(-Posix.EIO));
            Assert.That(io.Sync(), Is.EqualTo(Posix.EIO));
        }

        Assert.That((string?)Space.List().Single()["state"], Is.EqualTo("backend dead"));
        Assert.That(disk.FrontLog, Does.Not.Contain(" FATAL "));
        writers.Dispose();
        disk.Detach();
    }

    [Test]
    public void Killed_front_is_cleaned_up_by_detach()
    {
        string image = Space.Image(16 << 20);
        AttachedDisk disk = Space.Attach(image);
        using (BusyWriters writers = new(disk.DiskFile))
        {
            LiveProcess.Signal(disk.FrontPid, LiveProcess.SigKill);
            Assert.That(writers.WaitForErrors(Tool.StandardTimeout), Is.True, "pending requests hang");
            writers.RequireAcknowledged(image);
        }

        Assert.That((string?)Space.List().Single()["state"], Is.EqualTo("front dead"));
        disk.Detach();
        Space.RequireNothingLeft();
        using AttachedDisk again = Space.Attach(image);
    }

    [Test]
    public void Backend_serves_the_next_front_after_one_was_killed()
    {
        string image = Space.Image(16 << 20);
        string socket = Space.Path("s.sock");
        using Tool backend = HandStarted.Backend(Space, image, socket);
        string directory = Space.Folder("first");
        using (Tool front = HandStarted.Front(Space, socket, directory))
        using (BusyWriters writers = new(Path.Combine(directory, "disk")))
        {
            front.Signal(LiveProcess.SigKill);
            Assert.That(writers.WaitForErrors(Tool.StandardTimeout), Is.True, "pending requests hang");
            writers.RequireAcknowledged(image);
        }

        Tool.Run("umount", "--lazy", directory).Succeeded();
        string second = Space.Folder("second");
        using (Tool front = HandStarted.Front(Space, socket, second))
        {
            byte[] data = TestData.Random(1 << 20, seed: 11);
            using (DiskIo io = DiskIo.Open(Path.Combine(second, "disk")))
            {
                io.Write(data, 4 << 20);
                Assert.That(io.Read(4 << 20, data.Length), Is.EqualTo(data));
            }

            Tool.Run("umount", second).Succeeded();
            front.WaitForExit(Tool.StandardTimeout).Succeeded();
        }

        backend.Signal(LiveProcess.SigTerm);
        backend.WaitForExit(Tool.StandardTimeout).Succeeded();
    }

    [Test]
    public void Both_killed_are_cleaned_up_by_detach()
    {
        AttachedDisk disk = Space.Attach(Space.Image(1 << 20));
        LiveProcess.Signal(disk.BackendPid, LiveProcess.SigKill);
        LiveProcess.Signal(disk.FrontPid, LiveProcess.SigKill);
        Wait.For("their end", () => !LiveProcess.IsAlive(disk.BackendPid) && !LiveProcess.IsAlive(disk.FrontPid));
        disk.Detach();
    }

    /// <summary>Its rings keep files open for some milliseconds longer, of which none may be one that claims the image.</summary>
    [Test, Repeat(3)]
    public void Killed_backend_leaves_the_image_unlocked_at_once()
    {
        const int usedForWriting = 101; // QEMU's byte, see ImageLock
        string image = Space.Image(16 << 20);
        using AttachedDisk disk = Space.Attach(image, "--cache", "none");
        using (DiskIo io = DiskIo.Open(disk.DiskFile))
        {
            io.Write(TestData.Random(64 << 10, seed: 4), 0);
        }

        using FileDescriptor file = FileDescriptor.Open(image, OpenFlags.ReadOnly);
        Assert.That(FileLock.IsHeldByOther(file, usedForWriting), Is.EqualTo(1));
        LiveProcess.Signal(disk.BackendPid, LiveProcess.SigKill);
        Assert.That(SpinWait.SpinUntil(() => !LiveProcess.HasThreads(disk.BackendPid), Tool.StandardTimeout), Is.True);

        Assert.That(FileLock.IsHeldByOther(file, usedForWriting), Is.Zero);
        disk.Detach();
    }

    [Test]
    public void Strangers_at_the_socket_do_not_keep_the_next_front_out()
    {
        string socket = Space.Path("s.sock");
        using Tool backend = HandStarted.Backend(Space, Space.Image(1 << 20), socket);
        byte[][] messages = [[], [1], TestData.Random(16, seed: 1), TestData.Random(5000, seed: 2), new byte[4096]];
        foreach (byte[] message in messages)
        {
            using var stranger = new System.Net.Sockets.Socket(
                System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
            stranger.Connect(new System.Net.Sockets.UnixDomainSocketEndPoint(socket));
            stranger.Send(message);
        }

        string directory = Space.Folder("mnt");
        using Tool front = HandStarted.Front(Space, socket, directory);
        Assert.That(new FileInfo(Path.Combine(directory, "disk")).Length, Is.EqualTo(1 << 20));
        front.Signal(LiveProcess.SigInt);
        front.WaitForExit(Tool.StandardTimeout).Succeeded();
        backend.Signal(LiveProcess.SigInt);
        backend.WaitForExit(Tool.StandardTimeout).Succeeded();
    }
}
