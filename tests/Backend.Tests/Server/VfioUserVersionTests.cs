using System.Text;
using NUnit.Framework;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

public class VfioUserVersionTests : VfioUserFixture
{
    [Test]
    public void A_real_clients_proposal_is_answered_within_its_own_size()
    {
        TestClient client = Connect();
        Answer answer = client.Version(TestClient.ClientJson());
        Assert.That(answer.Error, Is.Zero);
        Assert.That(answer.As<VfioUserVersion>().Major, Is.Zero);
        Assert.That(answer.As<VfioUserVersion>().Minor, Is.Zero);
        Assert.That(answer.Header.Size, Is.LessThanOrEqualTo(214));
        Assert.That(answer.Descriptors, Is.Empty);
        AssertCapabilities(answer);
    }

    [TestCase(null)]
    [TestCase("{}")]
    [TestCase("{\"capabilities\":{}}")]
    [TestCase("{\"capabilities\":{\"max_msg_fds\":1024}}")]
    [TestCase("{\"capabilities\":{\"max_msg_fds\":0}}")]
    public void The_answer_always_has_a_JSON_object(string? json)
    {
        Answer answer = Connect().Version(json);
        Assert.That(answer.Error, Is.Zero);
        Assert.That(answer.Header.Size, Is.LessThanOrEqualTo(214));
        AssertCapabilities(answer);
    }

    [Test]
    public void A_later_minor_version_is_answered_with_ours()
    {
        Answer answer = Connect().Version("{}", 0, 7);
        Assert.That(answer.Error, Is.Zero);
        Assert.That(answer.As<VfioUserVersion>().Minor, Is.Zero);
    }

    [TestCase("{")]
    [TestCase("\"")]
    [TestCase("")]
    [TestCase("[]")]
    [TestCase("{ \"capabilities\": \"23\" }")]
    [TestCase("{ \"capabilities\": { \"max_msg_fds\": \"foo\" } }")]
    [TestCase("{ \"capabilities\": { \"max_msg_fds\": -1 } }")]
    [TestCase("{ \"capabilities\": { \"max_msg_fds\": 1025 } }")]
    [TestCase("{ \"capabilities\": { \"migration\": \"23\" } }")]
    [TestCase("{ \"capabilities\": { \"pgsizes\": false } }")]
    public void Bad_version_data_are_refused_and_end_the_connection(string json)
    {
        TestClient client = Connect();
        Assert.That(client.Version(json).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IsClosedByServer(), Is.True);
        ConnectAndNegotiate();
    }

    [Test]
    public void Another_major_version_is_refused()
    {
        TestClient client = Connect();
        Assert.That(client.Version("{}", 1).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IsClosedByServer(), Is.True);
    }

    [Test]
    public void JSON_without_NUL_is_refused()
    {
        TestClient client = Connect();
        Assert.That(client.Ask(VfioUserCommand.Version, [0, 0, 0, 0, (byte)'{', (byte)'}']).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IsClosedByServer(), Is.True);
    }

    [Test]
    public void Nothing_comes_before_the_version([Values(2, 4, 5, 9, 10, 13, 999)] int command)
    {
        TestClient client = Connect();
        Assert.That(client.Ask((VfioUserCommand)command, new byte[32]).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.IsClosedByServer(), Is.True);
        Assert.That(Memory.Current.Count, Is.Zero);
        ConnectAndNegotiate();
    }

    [Test]
    public void A_version_without_payload_is_refused_and_another_client_is_served()
    {
        TestClient client = Connect();
        Assert.That(client.Ask(VfioUserCommand.Version, []).Error, Is.EqualTo(Errno.EINVAL));
        client.Dispose();
        ConnectAndNegotiate();
    }

    [Test]
    public void The_version_is_settled_once()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Version("{}").Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.RegionInfo(0).Error, Is.Zero);
    }

    private static void AssertCapabilities(Answer answer)
    {
        Assert.That(answer.Payload[^1], Is.Zero);
        string json = Encoding.UTF8.GetString(answer.Payload, 4, answer.Payload.Length - 5);
        Assert.That(json, Does.StartWith("{").And.EndWith("}"));
        Assert.That(json, Does.Not.Contain("write_multiple"));
        VfioUserCapabilities capabilities = VfioUserCapabilities.Parse(answer.Payload.AsSpan(4));
        Assert.That(capabilities.MaxMsgFds, Is.InRange(1, VfioUserConnection.MaxMessageDescriptors));
        Assert.That(capabilities.MaxDataTransferSize, Is.InRange(1, 64 << 20));
        Assert.That(capabilities.PageSizes % 4096, Is.Zero);
    }
}
