using NUnit.Framework;
using RingCore.Units;

namespace RingCore.Tests.Units;

public class ByteSizeTests
{
    [TestCase("0", 0L)]
    [TestCase("512", 512L)]
    [TestCase("64K", 65536L)]
    [TestCase("64k", 65536L)]
    [TestCase("64KB", 65536L)]
    [TestCase("64KiB", 65536L)]
    [TestCase("1.5G", 1610612736L)]
    [TestCase("1T", 1099511627776L)]
    [TestCase("8 M", 8388608L)]
    [TestCase("100B", 100L)]
    [TestCase("0.5K", 512L)]
    [TestCase("8388607.9999990T", null)]
    [TestCase("9223372036854775807", long.MaxValue)]
    [TestCase("9223372036854775808", null)]
    [TestCase("8388608T", null)]
    [TestCase("", null)]
    [TestCase("K", null)]
    [TestCase("-1", null)]
    [TestCase("-1K", null)]
    [TestCase("1.5", null)]
    [TestCase("1..5K", null)]
    [TestCase("1e3", null)]
    [TestCase("1P", null)]
    [TestCase("1KK", null)]
    [TestCase("5iB", null)]
    [TestCase("12 34", null)]
    public void Size_is_read_or_refused(string text, long? expected)
    {
        bool read = ByteSize.TryParse(text, out long bytes);
        Assert.That(read ? (long?)bytes : null, Is.EqualTo(expected));
    }

    [TestCase(0L, "0")]
    [TestCase(1000L, "1000")]
    [TestCase(1536L, "1536")]
    [TestCase(1L << 20, "1M")]
    [TestCase(3L << 40, "3T")]
    [TestCase(long.MaxValue, "9223372036854775807")]
    public void Exact_form_is_read_back(long bytes, string text)
    {
        Assert.That(ByteSize.FormatExact(bytes), Is.EqualTo(text));
        Assert.That(ByteSize.TryParse(text, out long back) ? back : -1, Is.EqualTo(bytes));
    }

    [TestCase(0L, "0 B")]
    [TestCase(1023L, "1023 B")]
    [TestCase(1024L, "1K")]
    [TestCase(1536L, "1.5K")]
    [TestCase(1610612736L, "1.5G")]
    [TestCase(1L << 40, "1T")]
    [TestCase(long.MaxValue, "8388608T")]
    public void Size_is_shown_in_the_largest_unit(long bytes, string expected) =>
        Assert.That(ByteSize.Format(bytes), Is.EqualTo(expected));
}
