using RingCore.Faults;
using RingCore.Posix;

namespace RingCore.Tests.Faults;

[TestFixture]
public sealed class RuleParserTests
{
    [TestCase("on write at 1M..2M count 3               fail EIO")]
    [TestCase("on read  probability 1%                  delay 20ms..50ms        # uniform")]
    [TestCase("on write every 100                       tear 512                # only the first 512 bytes reach the image")]
    [TestCase("on read  at 4K..8K                       corrupt 3 bits          # in the reply")]
    [TestCase("on write at 64K skip 10                  misdirect +4K           # from the 11th on, lands elsewhere")]
    [TestCase("on write probability 0.1%                drop                    # acknowledged, never written")]
    [TestCase("on flush                                 drop                    # the disk that lies about fsync")]
    [TestCase("on any   from 5s to 7s                   hang                    # completes when the window ends")]
    [TestCase("on write                                 rate 10M/s")]
    [TestCase("on discard                               fail EOPNOTSUPP")]
    [TestCase("on kick  every 1000                      lose                    # a doorbell lost; see part 4")]
    [TestCase("on irq   every 1000                      lose")]
    [TestCase("on irq   probability 1%                  spurious")]
    [TestCase("on ring  count 1                         corrupt used-id         # hostile device: the front must survive")]
    [TestCase("on write skip 500 count 1                kill backend")]
    [TestCase("on flush skip 9 count 1                  powercut")]
    public void Rule_of_the_plan_is_a_rule(string text)
    {
        FaultRule rule = RuleParser.Parse(text);
        Assert.That(RuleParser.Parse(rule.ToString()), Is.EqualTo(rule));
    }

    [Test]
    public void Every_part_gets_to_its_place()
    {
        FaultRule rule = RuleParser.Parse(
            "slow-1: on write at 1.5K..0.5G size 512..64K queue 2 skip 3 every 4 count 5 from 1s to 1.5m probability 0.25% when broken fail ENOSPC");
        Assert.That(rule, Is.EqualTo(new FaultRule(FaultEvent.Write, new FailAction(Errno.ENOSPC))
        {
            Name = "slow-1",
            At = new RuleRange(1536, 512 << 20),
            Size = new RuleSizes(512, 65536),
            Queue = 2,
            Skip = 3,
            Every = 4,
            Count = 5,
            FromNs = 1_000_000_000,
            ToNs = 90_000_000_000,
            Probability = 0.25m,
            When = "broken",
        }));
    }

    [Test]
    public void Conditions_come_in_any_order_and_print_in_one() =>
        Assert.That(
            RuleParser.Parse("on read when x count 2 size 4KiB queue 0 delay 1500us").ToString(),
            Is.EqualTo("on read size 4K queue 0 count 2 when x delay 1500us"));

    [TestCase("", 1, "expected 'on' or a name and ':' but found the end of the line")]
    [TestCase("of write drop", 1, "expected 'on' or a name and ':' but found 'of'")]
    [TestCase("1st: on write drop", 1, "expected a name (a letter, then letters, digits, - and _) but found '1st'")]
    [TestCase("a: write drop", 4, "expected 'on' but found 'write'")]
    [TestCase("on wriet drop", 4, "expected an event (read, write, flush, discard, write-zeroes, get-id, any, kick, irq, ring, connect) but found 'wriet'")]
    [TestCase("on write at 1X drop", 13, "expected an offset such as 64K but found '1X'")]
    [TestCase("on write at 2M..1M drop", 17, "expected an end greater than 2M but found '1M'")]
    [TestCase("on write at 2M.. drop", 18, "expected the range's end such as 2M but found 'drop'")]
    [TestCase("on flush at 1M drop", 10, "expected a condition or an action, as flush has no range, but found 'at'")]
    [TestCase("on kick size 1 lose", 9, "expected a condition or an action, as kick has no size, but found 'size'")]
    [TestCase("on connect queue 1 drop", 12, "expected a condition or an action, as connect is on no queue, but found 'queue'")]
    [TestCase("on write count 3 at 1M drop", 18, "expected 'at' before every condition but found 'at'")]
    [TestCase("on write count 3 count 4 drop", 18, "expected each condition once but found 'count'")]
    [TestCase("on write count 0 drop", 16, "expected a number from 1 but found '0'")]
    [TestCase("on write queue -1 drop", 16, "expected a queue's number from 0 but found '-1'")]
    [TestCase("on write size 4K..2K drop", 19, "expected a size of at least 4K but found '2K'")]
    [TestCase("on write probability 0% drop", 22, "expected a percentage above 0% up to 100% but found '0%'")]
    [TestCase("on write probability 101% drop", 22, "expected a percentage above 0% up to 100% but found '101%'")]
    [TestCase("on any from 7s to 5s hang", 19, "expected a time after 7s but found '5s'")]
    [TestCase("on any from 7 hang", 13, "expected a time such as 20ms (ns, us, ms, s, m) but found '7'")]
    [TestCase("on write when 5 drop", 15, "expected a state's name (a letter, then letters, digits, - and _) but found '5'")]
    [TestCase("on write fail EFOO", 15, "expected an error's name such as EIO but found 'EFOO'")]
    [TestCase("on write fail", 14, "expected an error's name such as EIO but found the end of the line")]
    [TestCase("on write fail  # EIO", 14, "expected an error's name such as EIO but found the end of the line")]
    [TestCase("on read drop", 9, "expected an action that read can have (fail, delay, hang, rate, corrupt, misdirect, kill, powercut, set) but found 'drop'")]
    [TestCase("on ring corrupt 3 bits", 17, "expected used-id, used-length or used-index but found '3'")]
    [TestCase("on read corrupt 3", 18, "expected 'bits' but found the end of the line")]
    [TestCase("on read corrupt 0 bits", 17, "expected how many bits, from 1 to 65536, but found '0'")]
    [TestCase("on write misdirect 4K", 20, "expected a distance with its sign, such as +4K, but found '4K'")]
    [TestCase("on write rate 10M", 15, "expected a rate such as 10M/s but found '10M'")]
    [TestCase("on write delay 5ms..1ms", 21, "expected a time of at least 5ms but found '1ms'")]
    [TestCase("on write delay 0s", 16, "expected a time above 0 but found '0s'")]
    [TestCase("on write kill front", 15, "expected 'backend' but found 'front'")]
    [TestCase("on flush powercut keep most", 24, "expected none, all, random, torn but found 'most'")]
    [TestCase("on write drop now", 15, "expected the end of the rule but found 'now'")]
    public void Wrong_rule_is_pointed_at(string text, int column, string problem)
    {
        RuleSyntaxException e = Assert.Throws<RuleSyntaxException>(() => RuleParser.Parse(text))!;
        Assert.That(e.Message, Is.EqualTo($"column {column}: {problem}"));
        Assert.That(e.Column, Is.EqualTo(column));
    }

    [Test]
    public void Unknown_word_tells_conditions_and_actions()
    {
        string message = Assert.Throws<RuleSyntaxException>(() => RuleParser.Parse("on irq losse"))!.Message;
        Assert.That(message, Does.StartWith("column 8: expected a condition (size, queue, skip, ").And
            .EndsWith("or an action (lose, spurious, kill, powercut, set) but found 'losse'"));
    }

    [Test]
    public void Scenario_finds_every_wrong_line_at_once()
    {
        Scenario scenario = Scenario.Parse(
            "# a comment\r\n\non write drop\r\non write drip\na: on read when b hang\na: on read fail EIO\non write set c\non read when c hang\n");
        Assert.That(scenario.Rules.Select(r => r.Line), Is.EqualTo([3, 5, 6, 7, 8]));
        Assert.That(scenario.Problems.Select(p => p.Line), Is.EqualTo([4, 5, 6]));
        Assert.That(scenario.Problems[1].Text, Is.EqualTo("column 17: expected a state that a rule sets (start, c) but found 'b'"));
        Assert.That(scenario.Problems[2].Text, Is.EqualTo("column 1: expected a name that no rule before has but found 'a'"));
    }
}
