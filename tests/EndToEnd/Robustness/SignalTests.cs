namespace EndToEnd.Robustness;

/// <summary>SIGTERM and SIGINT: in-flight requests finish, data is flushed, the mount goes, exit code 0; 1 where nothing is left to flush it to.</summary>
public sealed class SignalTests : EndToEndTest
{
    [TestCase(LiveProcess.SigTerm)]
    [TestCase(LiveProcess.SigInt)]
    public void Front_ends_well_while_written_to(int signal)
    {
        string image = Space.Image(16 << 20);
        string socket = Space.Path("s.sock");
        string directory = Space.Folder("mnt");
        using Tool backend = HandStarted.Backend(Space, image, socket);
        using Tool front = HandStarted.Front(Space, socket, directory);
        using (BusyWriters writers = new(Path.Combine(directory, "disk")))
        {
            front.Signal(signal);
            front.WaitForExit(Tool.StandardTimeout).Succeeded();
            Assert.That(Leftovers.Mounts(Space.Root), Is.Empty);
            Assert.That(writers.WaitForErrors(Tool.StandardTimeout), Is.True, "requests hang");
            writers.RequireAcknowledged(image);
        }

        Assert.That(File.ReadAllText(Space.Path("fusefront.log")), Does.Not.Contain(" ERROR ").And.Not.Contain(" FATAL "));
        backend.Signal(LiveProcess.SigTerm);
        backend.WaitForExit(Tool.StandardTimeout).Succeeded();
        Assert.That(File.ReadAllText(Space.Path("backend.log")), Does.Not.Contain(" ERROR ").And.Not.Contain(" FATAL "));
    }

    [TestCase(LiveProcess.SigTerm)]
    [TestCase(LiveProcess.SigInt)]
    public void Backend_ends_well_while_written_to(int signal)
    {
        string image = Space.Image(16 << 20);
        string socket = Space.Path("s.sock");
        string directory = Space.Folder("mnt");
        using Tool backend = HandStarted.Backend(Space, image, socket);
        using Tool front = HandStarted.Front(Space, socket, directory);
        using (BusyWriters writers = new(Path.Combine(directory, "disk")))
        {
            backend.Signal(signal);
            backend.WaitForExit(Tool.StandardTimeout).Succeeded();
            Assert.That(writers.WaitForErrors(Tool.StandardTimeout), Is.True, "requests hang");
            Assert.That(writers.Errors, Is.All.EqualTo(Posix.EIO));
            writers.RequireAcknowledged(image);
        }

        front.Signal(signal);
        front.WaitForExit(Tool.StandardTimeout).RefusedInOneLine(1, "could not be flushed", "the backend has closed the connection", "may be lost");
        Assert.That(Leftovers.Mounts(Space.Root), Is.Empty);
    }

    [TestCase(LiveProcess.SigTerm)]
    [TestCase(LiveProcess.SigInt)]
    public void Attach_in_the_foreground_detaches(int signal)
    {
        string directory = Space.Folder("mnt");
        using Tool vdisk = Space.StartVdisk("attach", Space.Image(1 << 20), directory, "--foreground");
        Wait.For("the disk", () => File.Exists(Path.Combine(directory, "disk")) && Space.List().Any(e => (bool)e["ready"]!));
        vdisk.Signal(signal);
        vdisk.WaitForExit(Tool.StandardTimeout).Succeeded();
        Space.RequireNothingLeft();
    }
}
