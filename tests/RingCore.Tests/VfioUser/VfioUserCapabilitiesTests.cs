using System.Text;
using NUnit.Framework;
using RingCore.Posix;
using RingCore.VfioUser;

namespace RingCore.Tests.VfioUser;

public class VfioUserCapabilitiesTests
{
    [Test]
    public void Nothing_means_the_defaults_of_the_specification()
    {
        foreach (string? json in new[] { null, "{}", "{\"capabilities\":{}}" })
        {
            VfioUserCapabilities parsed = Parse(json);
            Assert.That(parsed.MaxMsgFds, Is.EqualTo(1));
            Assert.That(parsed.MaxDataTransferSize, Is.EqualTo(1048576));
            Assert.That(parsed.MaxDmaMaps, Is.EqualTo(65535));
            Assert.That(parsed.PageSizes, Is.EqualTo(4096));
            Assert.That(parsed.WriteMultiple, Is.False);
        }
    }

    [Test]
    public void What_a_real_client_sends_is_understood()
    {
        VfioUserCapabilities parsed = Parse(
            "{ \"capabilities\": { \"pgsizes\": 4096, \"max_msg_fds\": 16, \"max_dma_maps\": 65535, "
            + "\"max_data_xfer_size\": 1048576, \"write_multiple\": true, \"twin_socket\": { \"supported\": false } } }");
        Assert.That(parsed, Is.EqualTo(new VfioUserCapabilities { MaxMsgFds = 16, WriteMultiple = true }));
    }

    [Test]
    public void Keys_that_are_not_known_are_skipped() =>
        Assert.That(
            Parse("{\"x\":[1],\"capabilities\":{\"max_msg_fds\":2,\"future\":{\"a\":null}}}").MaxMsgFds, Is.EqualTo(2));

    [TestCase("")]
    [TestCase("{")]
    [TestCase("\"")]
    [TestCase("[]")]
    [TestCase("7")]
    [TestCase("null")]
    [TestCase("{\"capabilities\":\"23\"}")]
    [TestCase("{\"capabilities\":{\"max_msg_fds\":\"foo\"}}")]
    [TestCase("{\"capabilities\":{\"max_msg_fds\":-1}}")]
    [TestCase("{\"capabilities\":{\"max_msg_fds\":1025}}")]
    [TestCase("{\"capabilities\":{\"max_msg_fds\":1.5}}")]
    [TestCase("{\"capabilities\":{\"max_msg_fds\":1e99}}")]
    [TestCase("{\"capabilities\":{\"max_data_xfer_size\":true}}")]
    [TestCase("{\"capabilities\":{\"max_dma_maps\":[]}}")]
    [TestCase("{\"capabilities\":{\"pgsizes\":\"4096\"}}")]
    [TestCase("{\"capabilities\":{\"write_multiple\":1}}")]
    [TestCase("{\"capabilities\":{\"twin_socket\":true}}")]
    [TestCase("{\"capabilities\":{\"twin_socket\":{\"supported\":1}}}")]
    [TestCase("{\"capabilities\":{\"migration\":\"23\"}}")]
    [TestCase("{\"capabilities\":{\"migration\":{\"pgsize\":\"foo\"}}}")]
    public void Bad_data_are_EINVAL(string json) =>
        Assert.That(() => Parse(json), Throws.InstanceOf<ProtocolException>().With.Property("Errno").EqualTo(Errno.EINVAL));

    [TestCase("{\"\\ud800\":1}")]
    [TestCase("{\"capabilities\":{\"\\udc00\\ud800\":1}}")]
    public void Names_that_are_no_text_are_skipped_or_refused_and_nothing_else(string json)
    {
        try
        {
            Assert.That(Parse(json).MaxMsgFds, Is.EqualTo(1));
        }
        catch (ProtocolException e)
        {
            Assert.That(e.Errno, Is.EqualTo(Errno.EINVAL));
        }
    }

    [Test]
    public void Data_without_a_NUL_are_EINVAL() =>
        Assert.That(
            () => VfioUserCapabilities.Parse("{}"u8),
            Throws.InstanceOf<ProtocolException>().With.Property("Errno").EqualTo(Errno.EINVAL));

    [Test]
    public void What_is_written_can_be_read_and_is_short()
    {
        VfioUserCapabilities ours = new() { MaxMsgFds = 16 };
        byte[] json = ours.ToJson();
        Assert.That(json[^1], Is.Zero);
        Assert.That(json.Length + 20, Is.LessThanOrEqualTo(214));
        Assert.That(Encoding.UTF8.GetString(json), Does.Not.Contain("write_multiple"));
        Assert.That(VfioUserCapabilities.Parse(json), Is.EqualTo(ours));
        VfioUserCapabilities other = ours with { WriteMultiple = true };
        Assert.That(VfioUserCapabilities.Parse(other.ToJson()), Is.EqualTo(other));
    }

    private static VfioUserCapabilities Parse(string? json) =>
        VfioUserCapabilities.Parse(json is null ? [] : Encoding.UTF8.GetBytes(json + "\0"));
}
