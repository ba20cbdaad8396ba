using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using NUnit.Framework;
using RingCore.Hosting;
using RingCore.Posix;

namespace RingCore.Tests.Hosting;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class ControlSocketTests : IDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);
    private readonly ScratchFolder _folder = new();

    private string SocketFile => _folder["ctl"];

    public void Dispose() => _folder.Dispose();

    [Test]
    public void Reply_carries_the_handlers_members_beside_ok()
    {
        using var server = new ControlSocket(SocketFile, request => new JsonObject { ["echo"] = request["text"]!.DeepClone() });
        JsonObject reply = ControlClient.Call(SocketFile, new JsonObject { ["op"] = "echo", ["text"] = "hé\n" }, Bound);
        Assert.That(reply["ok"]!.GetValue<bool>());
        Assert.That(reply["echo"]!.GetValue<string>(), Is.EqualTo("hé\n"));
    }

    [Test]
    public void Handlers_failure_is_an_error_reply_with_its_errno()
    {
        using var server = new ControlSocket(SocketFile, _ => throw new PosixException(Errno.EBUSY, "umount /x"));
        var e = Assert.Throws<ControlException>(() => ControlClient.Call(SocketFile, "detach", Bound))!;
        Assert.That((e.Failure, e.Errno), Is.EqualTo((ControlFailure.Refused, (int?)Errno.EBUSY)));
        Assert.That(e.Message, Does.Contain("umount /x"));
    }

    [Test]
    public void Statistics_survive_the_journey()
    {
        var queue = new FrontQueueStats
        {
            KicksSent = 7,
            Operations = new OperationStats { Read = new OperationCount(2, 8192) },
            Latency = new LatencyStats(2, 1.5, 2, 2),
        };
        var stats = new FrontStats
        {
            Directory = "/mnt",
            FuseTransport = "dev",
            Features = ulong.MaxValue,
            FeatureNames = ["EVENT_IDX"],
            Queues = [queue],
            Runtime = RuntimeStats.Current(),
        };
        using var server = new ControlSocket(SocketFile, _ => StatsJson.ToReply(stats));
        FrontStats received = StatsJson.ToFrontStats(ControlClient.Call(SocketFile, "stats", Bound));
        Assert.That(received.Queues[0], Is.EqualTo(stats.Queues[0]));
        Assert.That(received.Features, Is.EqualTo(ulong.MaxValue));
        Assert.That(received.Runtime, Is.EqualTo(stats.Runtime));
    }

    [TestCase("nonsense")]
    [TestCase("")]
    [TestCase("[1,2]")]
    [TestCase("null")]
    [TestCase("{}")]
    [TestCase("{\"op\":5}")]
    [TestCase("{\"op\":\"a\",\"op\":\"b\"}")]
    [TestCase("\u0000\u0001")]
    [TestCase("{\"\\ud800\":1,\"op\":\"ping\"}")]
    [TestCase("{\"op\":\"\\ud800\"}")]
    [TestCase("{\"op\":\"x\"")]
    public void Bad_line_gets_an_error_reply_and_the_next_one_is_served(string line)
    {
        using var server = new ControlSocket(SocketFile, _ => null);
        using Socket client = Connect();
        Send(client, line + "\n");
        Assert.That(ReadLine(client), Does.StartWith("{\"ok\":false,\"error\":"));
        Send(client, "{\"op\":\"ping\"}\n");
        Assert.That(ReadLine(client), Is.EqualTo("{\"ok\":true}"));
    }

    [Test]
    public void Deeply_nested_JSON_is_refused()
    {
        using var server = new ControlSocket(SocketFile, _ => null);
        using Socket client = Connect();
        Send(client, "{\"op\":" + new string('[', 100_000) + "\n");
        Assert.That(ReadLine(client), Does.StartWith("{\"ok\":false"));
    }

    [Test]
    public void Endless_line_is_cut_off()
    {
        using var server = new ControlSocket(SocketFile, _ => null);
        using Socket client = Connect();
        byte[] junk = new byte[1 << 16];
        Array.Fill(junk, (byte)'x');
        Assert.That(
            () =>
            {
                for (int i = 0; i < 1024; i++)
                {
                    client.Send(junk);
                }
            },
            Throws.TypeOf<SocketException>());
        Assert.That(ControlClient.Call(SocketFile, "ping", Bound)["ok"]!.GetValue<bool>(), "others are served");
    }

    [Test]
    public void Line_in_pieces_and_two_lines_at_once_are_both_understood()
    {
        using var server = new ControlSocket(SocketFile, request => new JsonObject { ["n"] = request["n"]!.DeepClone() });
        using Socket client = Connect();
        Send(client, "{\"op\":\"x\",");
        Send(client, "\"n\":1}\n{\"op\":\"x\",\"n\":2}\n");
        Assert.That(ReadLine(client), Is.EqualTo("{\"ok\":true,\"n\":1}"));
        Assert.That(ReadLine(client), Is.EqualTo("{\"ok\":true,\"n\":2}"));
    }

    [Test]
    public void Silent_client_does_not_hold_up_others_or_the_end()
    {
        var server = new ControlSocket(SocketFile, _ => null);
        using Socket silent = Connect();
        Assert.That(ControlClient.Call(SocketFile, "ping", Bound)["ok"]!.GetValue<bool>());
        server.Dispose();
        Assert.That(silent.Receive(new byte[1]), Is.Zero);
        Assert.That(File.Exists(SocketFile), Is.False);
    }

    [Test]
    public void Handler_may_stop_the_server_and_its_reply_still_leaves()
    {
        ControlSocket? server = null;
        using var stopped = new ManualResetEventSlim();
        server = new ControlSocket(SocketFile, _ =>
        {
            new Thread(() =>
            {
                server!.Dispose();
                stopped.Set();
            }).Start();
            return new JsonObject { ["stopping"] = true };
        });
        Assert.That(ControlClient.Call(SocketFile, "stop", Bound)["stopping"]!.GetValue<bool>());
        Assert.That(stopped.Wait(Bound));
        Assert.That(() => ControlClient.Call(SocketFile, "ping", Bound), Throws.TypeOf<ControlException>());
    }

    [Test]
    public void Socket_is_the_owners_alone()
    {
        using var server = new ControlSocket(SocketFile, _ => null);
        Assert.That(PathStatus.TryRead(SocketFile, out PathStatus status), Is.Zero);
        Assert.That((status.IsSocket, status.Permissions), Is.EqualTo((true, 0b110_000_000)));
    }

    [Test]
    public void Dead_socket_is_replaced_a_living_one_and_a_file_are_not()
    {
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(SocketFile)); // bound, closed, never removed
        }

        using var server = new ControlSocket(SocketFile, _ => null);
        Assert.That(() => new ControlSocket(SocketFile, _ => null), Throws.TypeOf<UserErrorException>().With.Message.Contains("in use"));
        Assert.That(ControlClient.Call(SocketFile, "ping", Bound)["ok"]!.GetValue<bool>(), "the probe did no harm");
        File.WriteAllText(_folder["file"], "mine");
        Assert.That(() => new ControlSocket(_folder["file"], _ => null), Throws.TypeOf<UserErrorException>().With.Message.Contains("not a socket"));
        Assert.That(File.ReadAllText(_folder["file"]), Is.EqualTo("mine"));
    }

    [Test]
    public void Too_long_a_path_says_so()
    {
        string path = _folder[new string('x', SocketPath.MaxBytes)];
        Assert.That(() => new ControlSocket(path, _ => null), Throws.TypeOf<UserErrorException>().With.Message.Contains("107"));
        Assert.That(() => ControlClient.Call(path, "ping", Bound), Throws.TypeOf<UserErrorException>());
    }

    [Test]
    public void Reply_that_does_not_come_is_a_timeout()
    {
        using var release = new ManualResetEventSlim();
        using var server = new ControlSocket(SocketFile, _ =>
        {
            release.Wait(Bound);
            return null;
        });
        var e = Assert.Throws<ControlException>(() => ControlClient.Call(SocketFile, "slow", TimeSpan.FromMilliseconds(50)))!;
        release.Set();
        Assert.That(e.Failure, Is.EqualTo(ControlFailure.Unreachable));
        Assert.That(e.Message, Does.Contain("no reply"));
    }

    private Socket Connect()
    {
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)Bound.TotalMilliseconds,
            SendTimeout = (int)Bound.TotalMilliseconds,
        };
        client.Connect(new UnixDomainSocketEndPoint(SocketFile));
        return client;
    }

    private static void Send(Socket client, string text) => client.Send(Encoding.UTF8.GetBytes(text));

    private static string ReadLine(Socket client)
    {
        var line = new List<byte>();
        byte[] one = new byte[1];
        while (client.Receive(one) == 1 && one[0] != '\n')
        {
            line.Add(one[0]);
        }

        return Encoding.UTF8.GetString([.. line]);
    }
}
