using RingCore.Units;

namespace RingCore.Tests.Units;

public class DurationTests
{
    [TestCase("20ms", 20_000_000)]
    [TestCase("1.5s", 1_500_000_000)]
    [TestCase("2m", 120_000_000_000)]
    [TestCase("7us", 7_000)]
    [TestCase("0s", 0)]
    [TestCase("3", null)]
    [TestCase("1h", null)]
    [TestCase("0.5ns", null)]
    [TestCase("-1s", null)]
    [TestCase(".5s", null)]
    [TestCase("1 s", null)]
    [TestCase("", null)]
    [TestCase("99999999999m", null)]
    public void Number_needs_its_unit(string text, long? expectedNs)
    {
        bool isTime = Duration.TryParse(text, out Duration time);
        Assert.That(isTime ? (long?)time.Ns : null, Is.EqualTo(expectedNs));
    }

    [TestCase("3", 3_000_000_000L)]
    [TestCase("0.25", 250_000_000)]
    [TestCase("1m", 60_000_000_000)]
    [TestCase("5u", null)]
    [TestCase("", null)]
    public void Number_alone_is_seconds_where_that_is_allowed(string text, long? expectedNs)
    {
        bool isTime = Duration.TryParseOrSeconds(text, out Duration time);
        Assert.That(isTime ? (long?)time.Ns : null, Is.EqualTo(expectedNs));
    }

    [TestCase(0, "0s")]
    [TestCase(30_000_000_000, "30s")]
    [TestCase(90_000_000_000, "90s")]
    [TestCase(120_000_000_000, "2m")]
    [TestCase(1_500_000_000, "1500ms")]
    [TestCase(1, "1ns")]
    public void What_is_printed_is_read_back(long ns, string text)
    {
        Assert.That(new Duration(ns).ToString(), Is.EqualTo(text));
        Assert.That(Duration.TryParse(text, out Duration back) ? back.Ns : -1, Is.EqualTo(ns));
    }
}
