namespace EndToEnd.Docs;

/// <summary>The demos do what they tell, and go without a trace, at the end and at Ctrl-C.</summary>
[Category(OnceOnly.Name)]
public sealed class DemoTests : EndToEndTest
{
    [TestCase("demo", "disk.img: ", "nothing is attached")]
    [TestCase("demo-faults", "256+0 records out", " lost, 0 torn, 0 kept", "all passed", "smallest cause: ", "nothing is attached")]
    public void Demo_ends_well(string name, params string[] said)
    {
        using Tool demo = Start(name);
        RunResult result = demo.WaitForExit(TimeSpan.FromMinutes(2)).Succeeded();
        foreach (string text in said)
        {
            Assert.That(result.Output, Does.Contain(text));
        }

        Assert.That(Directory.GetDirectories(Space.Root, "vdisk-demo*"), Is.Empty);
    }

    [TestCase("demo")]
    [TestCase("demo-faults")]
    public void Interrupted_demo_leaves_nothing(string name)
    {
        using Tool demo = Start(name);
        Wait.For("a disk in use", () => Leftovers.Mounts(Space.Root).Count > 0);
        demo.Signal(LiveProcess.SigInt);
        RunResult result = demo.WaitForExit(TimeSpan.FromMinutes(1));
        Assert.That(result.ExitCode, Is.EqualTo(130), result.ToString());
        Assert.That(Directory.GetDirectories(Space.Root, "vdisk-demo*"), Is.Empty);
        Assert.That(result.Output, Does.Not.Contain("nothing is attached"), "it did not go on");
    }

    private Tool Start(string name) => Tool.Start(
        "bash",
        [Path.Combine(Programs.SourceRoot, "scripts", name)],
        new Dictionary<string, string>(Space.Environment)
        {
            ["TMPDIR"] = Space.Root,
            ["VDISK_BIN"] = Path.GetDirectoryName(Programs.Vdisk)!,
        });
}
