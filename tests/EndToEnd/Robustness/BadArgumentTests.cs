namespace EndToEnd.Robustness;

/// <summary>A wrong command line is one line on stderr and exit code 2, from each program.</summary>
public sealed class BadArgumentTests : EndToEndTest
{
    [TestCase("--frobnicate", "'--frobnicate'")]
    [TestCase("--queues=0", "--queues 0")]
    [TestCase("--queues=many", "--queues many")]
    [TestCase("--queue-size=3", "--queue-size 3")]
    [TestCase("--queue-size=65536", "--queue-size 65536")]
    [TestCase("--queue-size=100", "--queue-size 100")]
    [TestCase("--iothreads=-1", "--iothreads -1")]
    [TestCase("--aio=magic", "magic")]
    [TestCase("--cache=sometimes", "sometimes")]
    [TestCase("--serial=far-too-long-for-a-serial-number", "--serial")]
    public void Attach_refuses(string option, string named) =>
        Space.Vdisk("attach", Space.Image(1 << 20), Space.Folder("mnt"), option).RefusedInOneLine(2, named, "--help");

    [TestCase("12Q")]
    [TestCase("-5")]
    [TestCase("0")]
    [TestCase("1000")]
    [TestCase("99999999T")]
    public void Create_refuses_the_size(string size)
    {
        string image = Space.Path("new.img");
        Space.Vdisk("create", image, size).RefusedInOneLine(2, size);
        Assert.That(File.Exists(image), Is.False);
    }

    [TestCase]
    [TestCase("frobnicate")]
    [TestCase("attach")]
    [TestCase("attach", "image")]
    public void Vdisk_refuses(params string[] arguments) => Space.Vdisk(arguments).RefusedInOneLine(2, "--help");

    [Test]
    public void Backend_and_front_refuse_by_themselves()
    {
        Tool.Run(Programs.Backend, "--image", "x").RefusedInOneLine(2, "--vfio-user", "--help");
        Tool.Run(Programs.Backend, "--vfio-user", "s", "--image", "x", "--queue-size", "3").RefusedInOneLine(2, "--queue-size 3");
        Tool.Run(Programs.Front, "--vfio-user", "s", "--queues", "0", "d").RefusedInOneLine(2, "--queues 0");
        Tool.Run(Programs.Front, "--vfio-user", Space.Path("no.sock"), Space.Folder("d"), "--log-level", "warn")
            .RefusedInOneLine(1, Space.Path("no.sock"), "start one with");
    }

    [TestCase("vdisk")]
    [TestCase("backend")]
    [TestCase("fusefront")]
    public void Help_is_there(string program)
    {
        string path = Path.Combine(Path.GetDirectoryName(Programs.Vdisk)!, program);
        Assert.That(Tool.Run(path, "--help").Succeeded().Output, Does.Contain("Usage:"));
    }
}
