namespace EndToEnd.Guests;

/// <summary>A backend that dies under a running guest, and the next one at the same socket.</summary>
[Category(OnceOnly.Name)]
public sealed class BackendRestartTests : EndToEndTest
{
    private const int Rounds = 7;
    private const int WriterBytes = 4 << 20;

    /// <summary>
    /// In each round four writers write and read back what no round before had, each in a part of its own. A request that was lost
    /// hangs, one that failed fails the script, and one that was done again too late makes the comparison fail.
    /// </summary>
    private static readonly string WriteInRounds = $$"""
        write_and_compare() {
            dd if=/tmp/data of=/dev/vda bs=128k seek=$((32 * ($1 + 1))) oflag=direct 2>/dev/null
            dd if=/dev/vda bs=128k skip=$((32 * ($1 + 1))) count=32 iflag=direct 2>/dev/null | cmp - /tmp/data
        }
        for round in $(seq {{Rounds}}); do
            dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
            writers=
            for i in 0 1 2 3; do
                write_and_compare $i &
                writers="$writers $!"
            done
            for writer in $writers; do wait $writer; done
            show round$round $(sha256sum </tmp/data)
        done
        """;

    [Test]
    public void Guest_does_not_notice_that_the_backend_is_killed_and_started_again()
    {
        string image = Space.Image(64 << 20);
        string socket = Space.Path("s.sock");

        // Slow writes that overtake each other: some are in flight whenever the backend dies, and not the newest ones only.
        File.WriteAllText(Space.Path("slow.rules"), "slow: on write delay 5ms..100ms\n");
        Tool backend = Start();
        try
        {
            using VirtualMachine machine = new(Space, socket, "guest", WriteInRounds, "num-queues=2,queue-size=128", cpus: 2);
            foreach (int round in (int[])[1, 3, 5])
            {
                machine.WaitForShown($"round{round}");
                WaitForChange(image, WriterBytes + (WriterBytes / 2)); // the next round is half done
                backend.Signal(LiveProcess.SigKill);
                backend.WaitForExit(Tool.StandardTimeout);
                backend.Dispose();
                backend = Start();
            }

            GuestReport report = machine.WaitForPowerOff();
            for (int i = 1; i <= 4; i++)
            {
                using DiskIo io = DiskIo.Open(image, DiskIo.ReadOnly);
                string held = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(io.Read(i * WriterBytes, WriterBytes)));
                Assert.That(report[$"round{Rounds}"], Does.StartWith(held), $"at {i * WriterBytes}");
            }

            backend.Signal(LiveProcess.SigTerm);
            backend.WaitForExit(Tool.StandardTimeout).Succeeded();
            Assert.That(File.ReadAllText(Space.Path("backend.log")), Does.Contain("that were in flight are done again"));
        }
        finally
        {
            backend.Dispose();
        }

        Tool Start() => HandStarted.VhostUserBackend(Space, image, socket, "--queues", "2", "--faults", Space.Path("slow.rules"));
    }

    private static void WaitForChange(string image, long place)
    {
        using DiskIo io = DiskIo.Open(image, DiskIo.ReadOnly);
        byte[] before = io.Read(place, 512);
        Wait.For($"a write at {place}", () => !io.Read(place, 512).AsSpan().SequenceEqual(before));
    }
}
