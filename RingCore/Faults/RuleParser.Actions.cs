using System.Globalization;
using RingCore.Posix;
using RingCore.Units;

namespace RingCore.Faults;

/// <content>The actions, and which event can have which.</content>
public sealed partial class RuleParser
{
    /// <summary>Most bits that one rule corrupts in a request.</summary>
    public const int MaxBits = 65536;

    /// <summary>The words of <see cref="UsedRingField"/>.</summary>
    internal static readonly string[] FieldWords = ["used-id", "used-length", "used-index"];

    private static readonly string[] Everywhere = ["kill", "powercut", "set"];

    /// <summary>The first words of the actions that an event can have.</summary>
    public static IReadOnlyList<string> ActionsOf(FaultEvent value) =>
    [
        .. value switch
        {
            FaultEvent.Read => ["fail", "delay", "hang", "rate", "corrupt", "misdirect"],
            FaultEvent.Write => ["fail", "delay", "hang", "rate", "tear", "corrupt", "misdirect", "drop"],
            FaultEvent.Flush => ["fail", "delay", "hang", "drop"],
            FaultEvent.Discard or FaultEvent.WriteZeroes => ["fail", "delay", "hang", "rate", "misdirect", "drop"],
            FaultEvent.GetId => ["fail", "delay", "hang", "corrupt"],
            FaultEvent.Any => ["fail", "delay", "hang", "rate"],
            FaultEvent.Kick => ["lose"],
            FaultEvent.Irq => ["lose", "spurious"],
            FaultEvent.Ring => ["corrupt"],
            _ => (string[])["drop"],
        },
        .. Everywhere,
    ];

    private FaultAction ParseAction()
    {
        RuleToken word = _scanner.Take();
        IReadOnlyList<string> actions = ActionsOf(_rule.Event);
        Require(actions.Contains(word.Text), word, Expectation(word.Text, actions));
        return word.Text switch
        {
            "fail" => new FailAction(ParseErrno()),
            "delay" => ParseDelay(),
            "tear" => new TearAction(ParsePositiveSize("how many bytes reach the image, such as 512")),
            "corrupt" when _rule.Event == FaultEvent.Ring => new CorruptRingAction(ParseField()),
            "corrupt" => ParseBits(),
            "misdirect" => ParseMisdirect(),
            "drop" => new DropAction(),
            "hang" => new HangAction(),
            "rate" => ParseRate(),
            "lose" => new LoseAction(),
            "spurious" => new SpuriousAction(),
            "kill" => ParseKill(),
            "powercut" => new PowerCutAction(ParseKeep()),
            _ => new SetStateAction(ParseName("a state's name")),
        };
    }

    // A known action of another event, or no action at all: then it may be a mistyped condition as well.
    private string Expectation(string found, IReadOnlyList<string> actions)
    {
        bool isAction = Enum.GetValues<FaultEvent>().Any(e => ActionsOf(e).Contains(found));
        string list = string.Join(", ", actions);
        return isAction
            ? $"an action that {_rule.Event.Word()} can have ({list})"
            : $"a condition ({Conditions}) or an action ({list})";
    }

    private int ParseErrno()
    {
        RuleToken token = _scanner.Take();
        Require(Errno.TryParse(token.Text, out int errno), token, "an error's name such as EIO");
        return errno;
    }

    private DelayAction ParseDelay()
    {
        RuleToken token = _scanner.Peek;
        long min = ParseTime();
        long max = min;
        if (_scanner.TryTake(".."))
        {
            token = _scanner.Peek;
            max = ParseTime();
            Require(max >= min, token, $"a time of at least {new Duration(min)}");
        }

        Require(max > 0, token, "a time above 0");
        return new DelayAction(min, max);
    }

    private CorruptBitsAction ParseBits()
    {
        RuleToken token = _scanner.Take();
        bool isNumber = int.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out int bits);
        Require(isNumber && bits is > 0 and <= MaxBits, token, $"how many bits, from 1 to {MaxBits},");
        RuleToken unit = _scanner.Take();
        Require(unit.Text is "bit" or "bits", unit, "'bits'");
        return new CorruptBitsAction(bits);
    }

    private UsedRingField ParseField()
    {
        RuleToken token = _scanner.Take();
        int field = Array.IndexOf(FieldWords, token.Text);
        Require(field >= 0, token, string.Join(", ", FieldWords[..^1]) + $" or {FieldWords[^1]}");
        return (UsedRingField)field;
    }

    private MisdirectAction ParseMisdirect()
    {
        RuleToken token = _scanner.Take();
        long offset = 0;
        bool isOffset = token.Text.Length > 1 && token.Text[0] is '+' or '-' && RuleUnits.TryParseSize(token.Text[1..], out offset);
        Require(isOffset && offset != 0, token, "a distance with its sign, such as +4K,");
        return new MisdirectAction(token.Text[0] == '-' ? -offset : offset);
    }

    private RateAction ParseRate()
    {
        RuleToken token = _scanner.Take();
        long bytes = 0;
        bool isRate = token.Text.EndsWith("/s", StringComparison.Ordinal) && RuleUnits.TryParseSize(token.Text[..^2], out bytes);
        Require(isRate && bytes > 0, token, "a rate such as 10M/s");
        return new RateAction(bytes);
    }

    private KillAction ParseKill()
    {
        RuleToken token = _scanner.Take();
        Require(token.Text == "backend", token, "'backend'");
        return new KillAction();
    }

    private PowerCutKeep ParseKeep()
    {
        if (!_scanner.TryTake("keep"))
        {
            return PowerCutKeep.None;
        }

        RuleToken token = _scanner.Take();
        Require(PowerCutKeeps.TryParse(token.Text, out PowerCutKeep keep), token, string.Join(", ", PowerCutKeeps.All));
        return keep;
    }

    private long ParsePositiveSize(string what)
    {
        RuleToken token = _scanner.Peek;
        long size = ParseSize(what);
        Require(size > 0, token, what);
        return size;
    }
}
