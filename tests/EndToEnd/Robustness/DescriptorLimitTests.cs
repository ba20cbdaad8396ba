using System.Globalization;

namespace EndToEnd.Robustness;

/// <summary>A process may have too few descriptors for its queues. Wherever the start fails for it, no mount is left.</summary>
[Category(OnceOnly.Name)]
public sealed class DescriptorLimitTests : EndToEndTest
{
    private const int Queues = 64;

    [Test]
    public void Front_that_runs_out_of_descriptors_leaves_no_mount_behind()
    {
        string socket = Space.Path("s.sock");
        string control = Space.Path("front.ctl");
        string directory = Space.Folder("mnt");
        using Tool backend = HandStarted.Backend(Space, Space.Image(1 << 20), socket, "--queues", $"{Queues}");
        int failures = 0;
        for (int limit = Queues * 4; ; limit += 25)
        {
            using Tool front = Tool.Start(
                "sh",
                ["-c", "ulimit -n $0; exec \"$@\"", limit.ToString(CultureInfo.InvariantCulture), Programs.Front,
                    "--vfio-user", socket, "--queues", $"{Queues}", "--control", control, directory],
                Space.Environment);
            Wait.For("the front", () => front.HasExited || File.Exists(control));
            bool serves = !front.HasExited;
            if (serves)
            {
                front.Signal(LiveProcess.SigTerm);
            }

            RunResult end = front.WaitForExit(Tool.StandardTimeout);
            Assert.That(Leftovers.Mounts(Space.Root), Is.Empty, $"with {limit} descriptors: {end}");
            if (serves)
            {
                break;
            }

            Assert.That(end.ExitCode, Is.Not.Zero, $"with {limit} descriptors: {end}");
            failures++;
        }

        Assert.That(failures, Is.Positive, "no limit was too low");
    }
}
