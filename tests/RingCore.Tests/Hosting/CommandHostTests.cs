using System.CommandLine;
using NUnit.Framework;
using RingCore.Hosting;
using RingCore.Virtio;
using RingCore.Posix;

namespace RingCore.Tests.Hosting;

public class CommandHostTests
{
    private static readonly string[] Needed = ["--vfio-user", "/s", "--image", "/i"];

    [TestCase("--queues 0")]
    [TestCase("--queues 65")]
    [TestCase("--queues two")]
    [TestCase("--queue-size 3")]
    [TestCase("--queue-size 65536")]
    [TestCase("--queue-size 8")]
    [TestCase("--queue-size 100")]
    [TestCase("--iothreads -1")]
    [TestCase("--poll-max-ns 1000000001")]
    [TestCase("--poll-max-ns never")]
    [TestCase("--aio libaio")]
    [TestCase("--cache unsafe")]
    [TestCase("--log-level loud")]
    [TestCase("--serial 123456789012345678901")]
    [TestCase("--bogus")]
    [TestCase("stray")]
    [TestCase("--queues")]
    public void Wrong_argument_is_one_line_and_code_2(string arguments)
    {
        (int code, string output, string error) = Run([.. Needed, .. arguments.Split(' ')], _ => 0);
        Assert.That(code, Is.EqualTo(ExitCodes.Usage));
        Assert.That(output, Is.Empty);
        Assert.That(error.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1));
        Assert.That(error, Does.Contain(": ").And.Contains("--help'"));
    }

    [Test]
    public void Missing_option_is_one_line_and_code_2([Values("--image", "--image=/i")] string only)
    {
        (int code, _, string error) = Run([only], _ => 0);
        Assert.That(code, Is.EqualTo(ExitCodes.Usage));
        Assert.That(error.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1));
    }

    [TestCase("", "SIZE is missing")]
    [TestCase("1.7", "SIZE '1.7' is not a size")]
    [TestCase("0", "SIZE 0 is impossible")]
    [TestCase("1000", "SIZE 1000 is impossible")]
    [TestCase("1K 2K", "'2K'")]
    [TestCase("1K --bogus", "'--bogus'")]
    [TestCase("--bogus", "'--bogus'")]
    public void Usage_error_names_its_cause(string arguments, string cause)
    {
        var root = new RootCommand { OptionFactory.Size("SIZE", "how much", 512) };
        root.SetAction(_ => 0);
        (int code, _, string error) = Run(root, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.That(code, Is.EqualTo(ExitCodes.Usage));
        Assert.That(error, Does.Contain(cause));
    }

    [TestCase("--help")]
    [TestCase("--version")]
    public void Help_and_version_need_nothing_else(string option)
    {
        (int code, string output, string error) = Run([option], _ => 7);
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Is.Not.Empty);
    }

    [Test]
    public void Failures_are_one_line_and_code_1()
    {
        Exception[] failures =
        [
            new UserErrorException("no such disk; attach it"), new PosixException(Errno.ENOENT, "open /x"), new ProtocolException("version 9"),
            new IOException("two\nlines"), new UnauthorizedAccessException("no"), new InvalidOperationException("a bug"),
        ];
        foreach (Exception failure in failures)
        {
            (int code, _, string error) = Run(Needed, _ => throw failure);
            Assert.That(code, Is.EqualTo(ExitCodes.Failure));
            Assert.That(error.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1));
            Assert.That(error, Does.Contain(failure.Message.Split('\n')[0]));
        }
    }

    [Test]
    public void Interrupted_command_ends_with_130()
    {
        (int code, _, string error) = Run(Needed, _ => throw new OperationCanceledException());
        Assert.That(code, Is.EqualTo(ExitCodes.Interrupted));
        Assert.That(error, Does.EndWith(": interrupted\n"));
    }

    [TestCase("0", 0)]
    [TestCase("2", 2000)]
    [TestCase("1.5s", 1500)]
    [TestCase("250ms", 250)]
    [TestCase("1m", 60_000)]
    public void Time_has_a_unit_or_is_seconds(string given, int expectedMs)
    {
        FrontSettings? understood = null;
        var root = FrontSettings.Command(told => (understood = told) is null ? 1 : 0);
        (int code, _, string error) = Run(root, ["--vfio-user", "s", "dir", "--request-timeout", given]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(understood!.RequestTimeout, Is.EqualTo(TimeSpan.FromMilliseconds(expectedMs)));
    }

    [Test]
    public void Help_shows_a_standard_time_as_it_may_be_typed()
    {
        (_, string output, _) = Run(FrontSettings.Command(_ => 0), ["--help"]);
        Assert.That(output, Does.Contain("[default: 30s]"));
    }

    [TestCase("--queues 5", 5)]
    [TestCase("--queues 5 --iothreads 0", 0)]
    [TestCase("--iothreads 3 --queues 5", 3)]
    public void Each_queue_has_an_IOThread_unless_told_otherwise(string arguments, int expected)
    {
        int ioThreads = -1;
        Run([.. Needed, .. arguments.Split(' ')], settings => ioThreads = settings.IoThreads);
        Assert.That(ioThreads, Is.EqualTo(expected));
    }

    [TestCase("--queues 2", null)]
    [TestCase("--poll-max-ns auto", null)]
    [TestCase("--poll-max-ns 0", 0L)]
    [TestCase("--poll-max-ns=7000", 7000L)]
    public void Polling_is_left_to_placement_unless_a_number_is_given(string arguments, long? expected)
    {
        long? pollMaxNs = -1;
        Run([.. Needed, .. arguments.Split(' ')], settings =>
        {
            pollMaxNs = settings.PollMaxNs;
            return 0;
        });
        Assert.That(pollMaxNs, Is.EqualTo(expected));
    }

    [Test]
    public void Backends_arguments_mean_what_they_were_made_from()
    {
        var settings = new BackendSettings
        {
            VfioUserSocket = "/run/a=b:c",
            Image = "--odd name",
            ReadOnly = true,
            Queues = 3,
            QueueSize = 64,
            IoThreads = 0,
            PollMaxNs = 5000,
            Aio = "threads",
            Cache = "none",
            Serial = "disk 7",
            WithheldFeatures = VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors,
            ControlSocket = "@file",
            LogLevel = "debug",
            LogFile = "/l",
            Detached = true,
        };
        BackendSettings? understood = null;
        var root = BackendSettings.Command(told =>
        {
            understood = told;
            return 0;
        });
        (int code, _, string error) = Run(root, [.. settings.ToArguments()]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(understood, Is.EqualTo(settings));
    }

    [TestCase("")]
    [TestCase("--vfio-user a --vhost-user b")]
    public void Front_needs_one_socket_and_not_two(string sockets)
    {
        var root = FrontSettings.Command(_ => throw new AssertionException("it ran"));
        (int code, _, string error) = Run(root, [.. sockets.Split(' ', StringSplitOptions.RemoveEmptyEntries), "dir"]);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("take one of --vfio-user SOCKET and --vhost-user SOCKET"));
    }

    [Test]
    public void Front_of_a_vhost_user_back_end_is_told_so()
    {
        var settings = new FrontSettings { VhostUserSocket = "/s", Directory = "/mnt" };
        FrontSettings? understood = null;
        Run(FrontSettings.Command(told => (understood = told) is null ? 1 : 0), [.. settings.ToArguments()]);
        Assert.That(understood, Is.EqualTo(settings));
    }

    [TestCase("/mnt")]
    [TestCase("--help")]
    [TestCase("@list")]
    public void Fronts_arguments_mean_what_they_were_made_from(string directory)
    {
        var settings = new FrontSettings
        {
            VfioUserSocket = "/s",
            Directory = directory,
            Queues = 64,
            QueueSize = 1024,
            Fuse = "uring",
            PollMaxNs = 1,
            RequestTimeout = TimeSpan.FromMilliseconds(1500),
            AllowOther = true,
            NonEmpty = true,
            Name = "/srv/an image",
            Detached = true,
        };
        FrontSettings? understood = null;
        var root = FrontSettings.Command(told =>
        {
            understood = told;
            return 0;
        });
        (int code, _, string error) = Run(root, [.. settings.ToArguments()]);
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(understood, Is.EqualTo(settings));
    }

    private static (int Code, string Output, string Error) Run(string[] arguments, Func<BackendSettings, int> run) =>
        Run(BackendSettings.Command(run), arguments);

    private static (int Code, string Output, string Error) Run(RootCommand root, string[] arguments)
    {
        using StringWriter output = new(), error = new();
        int code = CommandHost.Run(root, arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
