namespace EndToEnd.SteadyState;

/// <summary>Attaching and detaching over and over leaves nothing behind.</summary>
public sealed class RoundsTests : EndToEndTest
{
    private const int Rounds = 50;

    [Test]
    public void Fifty_attach_and_detach_rounds_leave_nothing()
    {
        string image = Space.Image(1 << 20);
        string directory = Space.Folder("mnt");
        int ownFds = LiveProcess.CountFds(Environment.ProcessId);
        string[] sharedMemory = SharedMemory();
        for (int round = 0; round < Rounds; round++)
        {
            Space.Vdisk("attach", image, directory).Succeeded();
            using (DiskIo io = DiskIo.Open(Path.Combine(directory, "disk")))
            {
                io.Write([(byte)round], round);
            }

            Space.Vdisk("detach", directory).Succeeded();
            if (round % 10 == 0)
            {
                Space.RequireNothingLeft();
            }
        }

        Space.RequireNothingLeft();
        byte[] expected = [.. Enumerable.Range(0, Rounds).Select(i => (byte)i)];
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllBytes(image).Take(Rounds), Is.EqualTo(expected));
            Assert.That(LiveProcess.CountFds(Environment.ProcessId), Is.LessThanOrEqualTo(ownFds + 2));
            Assert.That(SharedMemory(), Is.SubsetOf(sharedMemory));
            Assert.That(Directory.GetFileSystemEntries(directory), Is.Empty);
        });
    }

    /// <summary>One backend, many fronts: descriptors, mappings and threads of the backend do not add up.</summary>
    [Test]
    public void Fifty_fronts_leave_no_descriptor_mapping_or_memory_in_their_backend()
    {
        string socket = Space.Path("s.sock");
        string directory = Space.Folder("mnt");
        using Tool backend = HandStarted.Backend(Space, Space.Image(1 << 20), socket);
        int fds = LiveProcess.CountFds(backend.Pid);
        Holdings first = default;
        for (int round = 0; round < Rounds; round++)
        {
            using Tool front = HandStarted.Front(Space, socket, directory);
            using (DiskIo io = DiskIo.Open(Path.Combine(directory, "disk")))
            {
                io.Write(new byte[4096], 0);
            }

            front.Signal(round % 2 == 0 ? LiveProcess.SigTerm : LiveProcess.SigInt);
            front.WaitForExit(Tool.StandardTimeout).Succeeded();
            if (round == 9)
            {
                // By now the runtime has loaded what it needs, files that it keeps open included.
                first = Holdings.OfIdle(backend.Pid, fds + 32);
            }
        }

        Holdings last = Holdings.OfIdle(backend.Pid, first.Fds);
        Assert.Multiple(() =>
        {
            Assert.That(last.Fds, Is.LessThanOrEqualTo(first.Fds));
            Assert.That(last.Threads, Is.LessThanOrEqualTo(first.Threads + 1), "the runtime may add a thread of its pool");
            Assert.That(last.Mappings, Is.LessThanOrEqualTo(first.Mappings + 20), "half a mapping a front; the runtime maps its heaps in pieces");
            Assert.That(last.VirtualBytes, Is.LessThan(first.VirtualBytes + (64 << 20)), "less than one guest memory");
            Assert.That(last.ResidentBytes, Is.LessThan(first.ResidentBytes + (16 << 20)), "the runtime collects when some MiB have gathered");
        });
        backend.Signal(LiveProcess.SigTerm);
        backend.WaitForExit(Tool.StandardTimeout).Succeeded();
    }

    /// <summary>What a process holds.</summary>
    private readonly record struct Holdings(int Fds, int Mappings, int Threads, long ResidentBytes, long VirtualBytes)
    {
        /// <summary>Once it has taken a client that is gone down, which it does in its own time: at most so many descriptors are left.</summary>
        public static Holdings OfIdle(int pid, int fds)
        {
            Wait.Until(TimeSpan.FromSeconds(5), () => LiveProcess.CountFds(pid) <= fds);
            return new Holdings(
                LiveProcess.CountFds(pid),
                LiveProcess.CountMappings(pid),
                Directory.GetDirectories($"/proc/{pid}/task").Length,
                LiveProcess.StatusBytes(pid, "VmRSS"),
                LiveProcess.StatusBytes(pid, "VmSize"));
        }
    }

    /// <summary>Named shared memory that is ours by its name; other programs' comes and goes.</summary>
    private static string[] SharedMemory() =>
        [.. Directory.GetFileSystemEntries("/dev/shm").Where(p => Path.GetFileName(p).Contains("vdisk", StringComparison.Ordinal))];
}
