using System.Globalization;
using RingCore.Units;

namespace RingCore.Faults;

/// <summary>
/// Reads one rule, by recursive descent: a method for each part of the grammar in docs/faults.md. This file has the frame
/// and the conditions, <c>.Actions</c> the actions.
/// </summary>
public sealed partial class RuleParser
{
    private const string Conditions = "size, queue, skip, every, count, from, to, probability, when";
    private readonly RuleScanner _scanner;
    private readonly HashSet<string> _seen = [];
    private FaultRule _rule = new(FaultEvent.Any, new HangAction());

    private RuleParser(string line) => _scanner = new RuleScanner(line);

    /// <summary>Reads a rule.</summary>
    /// <exception cref="RuleSyntaxException">It is none; the message points at the column.</exception>
    public static FaultRule Parse(string line) => new RuleParser(line).ParseRule();

    /// <summary>The line holds nothing, or a comment only.</summary>
    public static bool IsBlank(string line) => new RuleScanner(line).Peek.IsEnd;

    /// <summary>A word that can name a rule or a state: a letter, then letters, digits, <c>-</c> and <c>_</c>.</summary>
    public static bool IsName(string text) =>
        text.Length > 0 && char.IsAsciiLetter(text[0]) && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    private FaultRule ParseRule()
    {
        if (_scanner.PeekAt(1).Text == ":")
        {
            RuleToken name = _scanner.Take();
            Require(IsName(name.Text), name, "a name (a letter, then letters, digits, - and _)");
            _scanner.Take();
            _rule = _rule with { Name = name.Text };
        }

        RuleToken on = _scanner.Take();
        Require(on.Text == "on", on, _rule.Name is null ? "'on' or a name and ':'" : "'on'");
        RuleToken word = _scanner.Take();
        Require(FaultEvents.TryParse(word.Text, out FaultEvent value), word, $"an event ({string.Join(", ", FaultEvents.All)})");
        _rule = _rule with { Event = value };
        if (_scanner.Peek.Text == "at")
        {
            ParseAt();
        }

        while (TryParseCondition())
        {
        }

        _rule = _rule with { Action = ParseAction() };
        RuleToken rest = _scanner.Peek;
        Require(rest.IsEnd, rest, "the end of the rule");
        return _rule;
    }

    private void ParseAt()
    {
        RuleToken at = _scanner.Take();
        Require(_rule.Event.HasRange(), at, $"a condition or an action, as {_rule.Event.Word()} has no range,");
        long start = ParseSize("an offset such as 64K");
        long? end = null;
        if (_scanner.TryTake(".."))
        {
            RuleToken token = _scanner.Peek;
            end = ParseSize("the range's end such as 2M");
            Require(end > start, token, $"an end greater than {ByteSize.FormatExact(start)}");
        }

        _rule = _rule with { At = new RuleRange(start, end) };
    }

    private bool TryParseCondition()
    {
        RuleToken word = _scanner.Peek;
        if (!Array.Exists(Conditions.Split(", "), w => w == word.Text))
        {
            Require(word.Text != "at", word, "'at' before every condition");
            return false;
        }

        _scanner.Take();
        Require(_seen.Add(word.Text), word, "each condition once");
        _rule = word.Text switch
        {
            "size" => _rule with { Size = ParseSizes(word) },
            "queue" => _rule with { Queue = ParseQueue(word) },
            "skip" => _rule with { Skip = ParseNumber("how many to skip") },
            "every" => _rule with { Every = ParseNumber("a number") },
            "count" => _rule with { Count = ParseNumber("a number") },
            "from" => _rule with { FromNs = ParseFrom() },
            "to" => _rule with { ToNs = ParseTo() },
            "probability" => _rule with { Probability = ParsePercent() },
            _ => _rule with { When = ParseName("a state's name") },
        };
        return true;
    }

    private RuleSizes ParseSizes(RuleToken word)
    {
        Require(_rule.Event.HasRange(), word, $"a condition or an action, as {_rule.Event.Word()} has no size,");
        long min = ParseSize("a size such as 4K");
        if (!_scanner.TryTake(".."))
        {
            return new RuleSizes(min, min);
        }

        RuleToken token = _scanner.Peek;
        long max = ParseSize("the largest size such as 64K");
        Require(max >= min, token, $"a size of at least {ByteSize.FormatExact(min)}");
        return new RuleSizes(min, max);
    }

    private int ParseQueue(RuleToken word)
    {
        Require(_rule.Event.HasQueue(), word, "a condition or an action, as connect is on no queue,");
        RuleToken token = _scanner.Take();
        bool isNumber = int.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out int queue);
        Require(isNumber, token, "a queue's number from 0");
        return queue;
    }

    private long ParseFrom()
    {
        RuleToken token = _scanner.Peek;
        long from = ParseTime();
        Require(_rule.ToNs is null || from < _rule.ToNs, token, $"a time before {new Duration(_rule.ToNs ?? 0)}");
        return from;
    }

    private long ParseTo()
    {
        RuleToken token = _scanner.Peek;
        long to = ParseTime();
        Require(to > (_rule.FromNs ?? 0), token, $"a time after {new Duration(_rule.FromNs ?? 0)}");
        return to;
    }

    private decimal ParsePercent()
    {
        RuleToken token = _scanner.Take();
        Require(RuleUnits.TryParsePercent(token.Text, out decimal percent), token, "a percentage above 0% up to 100%");
        return percent;
    }

    private long ParseSize(string what)
    {
        RuleToken token = _scanner.Take();
        Require(RuleUnits.TryParseSize(token.Text, out long bytes), token, what);
        return bytes;
    }

    private long ParseTime()
    {
        RuleToken token = _scanner.Take();
        Require(Duration.TryParse(token.Text, out Duration time), token, "a time such as 20ms (ns, us, ms, s, m)");
        return time.Ns;
    }

    private long ParseNumber(string what)
    {
        RuleToken token = _scanner.Take();
        bool isNumber = long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number > 0;
        Require(isNumber, token, $"{what} from 1");
        return number;
    }

    private string ParseName(string what)
    {
        RuleToken token = _scanner.Take();
        Require(IsName(token.Text), token, $"{what} (a letter, then letters, digits, - and _)");
        return token.Text;
    }

    private static void Require(bool condition, RuleToken token, string expected)
    {
        if (!condition)
        {
            throw new RuleSyntaxException(token.Column, $"expected {expected} but found {token.Quoted}");
        }
    }
}
